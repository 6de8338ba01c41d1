// Saves the chart beside it as SVG or PNG: dark on white in both themes, with a caption below.
// Plotly's own button makes the file. It reads the chart's layout at the moment of the click.

const LINE = 17
const INK = "#20272B"
// A picture has no access to the page's font; in another one the legend would be cut.
const FILE_FONT = "Arial, Helvetica, sans-serif"

export default function ({ data, parentElement }) {
  for (const button of parentElement.querySelectorAll("button"))
    button.onclick = () => save(data, button.dataset.format)
}

async function save({ chart, name, caption }, format) {
  const find = () => document.querySelector(`.st-key-${CSS.escape(chart)} .js-plotly-plot .modebar-btn` +
    '[data-title^="Download plot"]')
  // On a slow machine the chart is drawn after its menu.
  for (let waited = 0; !find() && waited < 20; waited += 1) await new Promise(go => setTimeout(go, 500))
  const camera = find()
  if (!camera) return
  const graph = camera.closest(".js-plotly-plot")
  const [layout, options, full] = [graph.layout, graph._context.toImageButtonOptions, graph._fullLayout]
  const lines = wrapped(caption, Math.max(30, Math.floor(full.width / 6.6)))
  const below = LINE * (lines.length + 1)
  const height = full.height + below
  const legend = layout.legend?.yref === "container"  // at the foot of the picture, where the caption is
    ? { ...layout.legend, y: below / height } : layout.legend
  graph.layout = { ...layout, template: {}, legend, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
    font: { ...full.font, family: FILE_FONT, color: INK },
    margin: { ...layout.margin, b: full._size.b + below },
    // No figure has a title of its own; it is placed in the whole picture, whatever the labels need.
    title: { text: lines.join("<br>"), font: { size: 12, color: INK }, xref: "container", yref: "container",
      x: 8 / full.width, y: (below - LINE / 2) / height, xanchor: "left", yanchor: "top" } }
  graph._context.toImageButtonOptions = { format, filename: name, width: full.width,
    height, scale: format === "png" ? 3 : 1 }
  withoutClicks(graph)
  graph.layout = layout
  graph._context.toImageButtonOptions = options
}

// What Plotly's button does. The page sees no click outside the menu, which would close it: neither
// one on the button nor the one with which Plotly saves the file.
function withoutClicks(graph) {
  const quiet = event => {
    if (!event.target.download) return
    event.stopPropagation()
    window.removeEventListener("click", quiet, true)
  }
  window.addEventListener("click", quiet, true)
  setTimeout(() => window.removeEventListener("click", quiet, true), 5000)  // where Plotly fails
  const buttons = graph._fullLayout._modeBar.buttons.flat()
  buttons.find(button => button.name?.toLowerCase() === "toimage").click(graph)
}

function wrapped(text, most) {
  const lines = [""]
  for (const word of text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").split(" ")) {
    if (lines.at(-1).length + word.length >= most) lines.push("")
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word
  }
  return lines
}
