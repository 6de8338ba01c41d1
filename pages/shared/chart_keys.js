// Charts by keyboard: a chart whose marks open images takes the focus, arrow keys go from mark to mark,
// and Enter opens what a click opens. The name of each mark is the text under the mouse; a screen reader
// says it.

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const CHART = ".js-plotly-plot"
const HOW = "Arrow keys go from mark to mark, Enter selects one."

export default function () {
  if (window.bnnWalksCharts) return
  window.bnnWalksCharts = true
  const spoken = document.createElement("p")
  spoken.setAttribute("role", "status")
  spoken.id = "bnn-mark"
  spoken.className = "bnn-unseen"
  document.body.append(spoken)
  // A chart that is drawn anew keeps the focus, and the place in it.
  const places = new Map()
  const seen = new WeakSet()
  let focused = null
  window.addEventListener("focusin", event => {
    const graph = event.target.closest?.(CHART)
    focused = graph && { graph, name: nameOf(graph) }
  })
  window.addEventListener("pointerdown", () => { focused = null }, true)
  const charts = () => [...document.querySelectorAll(CHART)]
  const focusAgain = () => {
    // Who leaves a chart that is still there, such as for the address bar, is not called back.
    if (!focused?.name || focused.graph.isConnected || document.activeElement !== document.body) return
    charts().find(graph => nameOf(graph) === focused.name)?.focus({ preventScroll: true })
  }
  const look = () => {
    for (const graph of charts().filter(graph => graph.on && !seen.has(graph))) {
      seen.add(graph)
      // Streamlit says that marks can be selected after it has drawn the chart.
      const ready = () => {
        if (graph.tabIndex >= 0 || !graph._fullLayout?.clickmode?.includes("select")) return
        prepare(graph, places, spoken)
        focusAgain()
      }
      graph.on("plotly_afterplot", ready)
      ready()
    }
    focusAgain()
  }
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true })
  look()
}

// The key of a chart in Python, without the number of its round (marks.py).
function nameOf (graph) {
  return graph.closest("[class*=st-key-]")?.className.match(/st-key-(\S+?)(_\d+)?(?=\s|$)/)[1] ?? ""
}

function prepare (graph, places, spoken) {
  const name = nameOf(graph)
  graph.tabIndex = 0
  graph.setAttribute("role", "application")
  graph.setAttribute("aria-label", `${graph.closest("[role=figure]")?.getAttribute("aria-label") ?? "Chart"}. ${HOW}`)
  graph.addEventListener("keydown", event => {
    if (event.target !== graph || event.ctrlKey || event.metaKey || event.altKey) return
    const step = DIRECTIONS[event.key]
    if (event.key === "Enter" || event.key === " ") select(graph)
    else if (step || event.key === "Home" || event.key === "End") {
      const [marks, place] = [marksOf(graph), places.get(name)]
      const mark = step && place ? next(marks, place, step) : corner(marks, event.key === "End" ? -1 : 1)
      if (mark) show(graph, mark, spoken)
      places.set(name, mark)
    } else return
    event.preventDefault()
    event.stopPropagation()
  })
  graph.addEventListener("blur", () => window.Plotly.Fx.unhover(graph))
}

// The marks in view that open something: where they are in the chart, in pixels.
function marksOf (graph) {
  const { _fullLayout: layout, _fullData: traces, calcdata } = graph
  const marks = []
  for (const trace of traces) {
    // A heatmap stands for the images that are not drawn one by one: it opens nothing.
    if (trace.visible !== true || trace.type === "heatmap" || !trace.customdata || trace.hoverinfo === "skip") continue
    const [across, up] = ["x", "y"].map(letter => layout[trace[letter + "axis"].replace(letter, letter + "axis")])
    trace.customdata.forEach((_, point) => {
      const bar = trace.type === "bar" && calcdata[trace.index][point]
      if (bar && !bar.s) return
      let x = bar ? across.c2p(bar.x) : across.d2p(trace.x[point])
      let y = bar ? up.c2p(bar.y) : up.d2p(trace.y[point])
      if (!(x >= 0 && x <= across._length && y >= 0 && y <= up._length)) return
      // Bars stand side by side, whatever their height; those before one another follow by Up and Down.
      if (bar && trace.orientation === "h") x = trace.index
      else if (bar) y = up._length - trace.index
      marks.push({ x: x + across._offset, y: y + up._offset, trace, point })
    })
  }
  return marks
}

// The mark nearest to the upper left corner, or to the lower right one (sign -1).
function corner (marks, sign) {
  return marks.reduce((best, mark) => !best || sign * (mark.x + mark.y) < sign * (best.x + best.y) ? mark : best, null)
}

// The nearest mark in the quarter of the plane that lies in a direction; the same where there is none.
function next (marks, from, [right, down]) {
  let [best, least] = [from, Infinity]
  for (const mark of marks) {
    const [x, y] = [mark.x - from.x, mark.y - from.y]
    const ahead = x * right + y * down, aside = Math.abs(x * down) + Math.abs(y * right)
    if (ahead > 0.5 && ahead >= aside && ahead + aside < least) [best, least] = [mark, ahead + aside]
  }
  return best
}

// Draws the text of a mark, as under the mouse, and says it. Plotly finds marks that the graphics card
// draws by their position, and shows nothing more often than every 50 ms.
function show (graph, { trace, point }, spoken) {
  const mark = trace.type === "scattergl" ? { xval: trace.x[point], yval: trace.y[point] }
    : [{ curveNumber: trace.index, pointNumber: point }]
  window.Plotly.Fx.hover(graph, mark, trace.xaxis + trace.yaxis)
  const named = trace.name && !/^trace \d+$/.test(trace.name) // so Plotly calls what has no name
  const kind = trace.type === "bar" && named ? `${trace.name}: ` : ""
  setTimeout(() => { spoken.textContent = kind + textOf(graph) }, 100)
}

function textOf (graph) {
  return [...graph.querySelectorAll(".hoverlayer .hovertext text")].map(text => {
    const lines = [...text.querySelectorAll("tspan.line")]
    return (lines.length ? lines : [text]).map(line => line.textContent).join(", ")
  }).join("; ")
}

// What a click on the shown mark tells the page.
function select (graph) {
  const [mark] = graph._hoverdata ?? []
  if (mark) {
    const { curveNumber, pointNumber, customdata, x, y } = mark
    graph.emit("plotly_selected", { points: [{ curveNumber, pointNumber, pointIndex: pointNumber, customdata, x, y }] })
  }
}
