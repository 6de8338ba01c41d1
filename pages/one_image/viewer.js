// One picture: zoom with the buttons, + - 0 or Ctrl-wheel, drag or arrow keys to move.
// The zoom stays when channels or the image change, so that the same region is compared.

const viewers = new WeakMap()
const MOST = 16
const BAR_PIXELS = 90

export default function (component) {
  const { data, parentElement } = component
  let viewer = viewers.get(parentElement)
  if (!viewer) {
    viewer = makeViewer(parentElement)
    viewers.set(parentElement, viewer)
  }
  viewer.update(data)
  return viewer.stop
}

function makeViewer(parent) {
  const find = name => parent.querySelector(name)
  const [view, image, scale] = [find(".view"), find("img"), find(".scale")]
  const at = { zoom: 1, x: 0, y: 0 }
  let micrometres = null
  let drag = null

  function place() {
    const { clientWidth: width, clientHeight: height } = view
    at.x = Math.min(0, Math.max(at.x, width * (1 - at.zoom)))
    at.y = Math.min(0, Math.max(at.y, height * (1 - at.zoom)))
    image.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.zoom})`
    view.classList.toggle("zoomed", at.zoom > 1)
    // Screen pixels per pixel of the image; beyond two, smoothing would invent detail.
    const size = image.naturalWidth ? width * at.zoom / image.naturalWidth : 0
    view.classList.toggle("hard", size > 2)
    find(".zoom").textContent = at.zoom > 1 ? `${Math.round(at.zoom * 100)} %` : ""
    drawScale(size)
  }

  function drawScale(size) {
    scale.hidden = !(micrometres && size)
    if (scale.hidden) return
    const most = BAR_PIXELS / size * micrometres
    const power = 10 ** Math.floor(Math.log10(most))
    const length = [5, 2, 1].map(step => step * power).find(step => step <= most)
    scale.style.width = `${length / micrometres * size}px`
    const text = length >= 1000 ? `${length / 1000} mm` : `${Number(length.toPrecision(2))} µm`
    scale.querySelector("span").textContent = text
  }

  function zoom(factor, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const next = Math.min(MOST, Math.max(1, at.zoom * factor))
    at.x = x - (x - at.x) * next / at.zoom
    at.y = y - (y - at.y) * next / at.zoom
    at.zoom = next
    place()
  }

  function fit() {
    Object.assign(at, { zoom: 1, x: 0, y: 0 })
    place()
  }

  find(".in").onclick = () => zoom(1.5)
  find(".out").onclick = () => zoom(1 / 1.5)
  find(".fit").onclick = fit
  view.ondblclick = event => zoom(2, event.offsetX, event.offsetY)
  view.onwheel = event => {
    if (!event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    const box = view.getBoundingClientRect()
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - box.left, event.clientY - box.top)
  }
  view.onpointerdown = event => {
    if (at.zoom === 1) return
    drag = { x: event.clientX - at.x, y: event.clientY - at.y }
    view.setPointerCapture(event.pointerId)
  }
  view.onpointermove = event => {
    if (!drag) return
    Object.assign(at, { x: event.clientX - drag.x, y: event.clientY - drag.y })
    place()
  }
  view.onpointerup = view.onpointercancel = () => { drag = null }
  view.onkeydown = event => {
    const step = 60
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step],
      ArrowDown: [0, -step] }
    if (event.key === "+" || event.key === "=") zoom(1.5)
    else if (event.key === "-") zoom(1 / 1.5)
    else if (event.key === "0") fit()
    else if (event.key in moves && at.zoom > 1) {
      at.x += moves[event.key][0]
      at.y += moves[event.key][1]
      place()
    } else return
    event.preventDefault()
    event.stopPropagation()
  }
  image.onload = () => {
    view.classList.remove("failed")
    place()
  }
  image.onerror = () => {
    view.classList.add("failed")
    image.alt = "The picture could not be drawn. The server's log has the reason."
  }
  const observer = new ResizeObserver(place)
  observer.observe(view)
  return {
    update(data) {
      micrometres = data.micrometres
      view.setAttribute("aria-label", data.alt)
      if (image.getAttribute("src") !== data.url) image.src = data.url
      place()
    },
    stop: () => observer.disconnect(),
  }
}
