// One picture or several side by side, all at one zoom: zoom with the buttons, + - 0 or Ctrl-wheel,
// drag or arrow keys to move, Shift and drag to measure. The zoom stays when channels or the image
// change, so that the same region is compared.

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

function lengthText(micrometres) {
  return micrometres >= 1000 ? `${Number((micrometres / 1000).toPrecision(3))} mm`
    : `${Number(micrometres.toPrecision(3))} µm`
}

function makeViewer(parent) {
  const root = parent.querySelector(".viewer")
  const panes = root.querySelector(".panes")
  const find = name => root.querySelector(name)
  const at = { zoom: 1, x: 0, y: 0 }
  const observer = new ResizeObserver(place)
  let micrometres = null
  let drag = null
  let views = []

  function place() {
    for (const view of views) placeIn(view)
    find(".zoom").textContent = at.zoom > 1 ? `${Math.round(at.zoom * 100)} %` : ""
  }

  // x and y are shares of a view, so that views of any size show the same region.
  function placeIn(view) {
    const { clientWidth: width, clientHeight: height } = view
    const image = view.querySelector("img")
    at.x = Math.min(0, Math.max(at.x, 1 - at.zoom))
    at.y = Math.min(0, Math.max(at.y, 1 - at.zoom))
    image.style.transform = `translate(${at.x * width}px, ${at.y * height}px) scale(${at.zoom})`
    view.classList.toggle("zoomed", at.zoom > 1)
    // Screen pixels per pixel of the image; beyond two, smoothing would invent detail.
    const size = pixelSize(view)
    view.classList.toggle("hard", size > 2)
    drawScale(view.querySelector(".scale"), size)
    view.querySelector(".ruler").hidden = true
    find(".length").textContent = ""
  }

  function pixelSize(view) {
    const image = view.querySelector("img")
    return image.naturalWidth ? view.clientWidth * at.zoom / image.naturalWidth : 0
  }

  function drawScale(scale, size) {
    scale.hidden = !(micrometres && size)
    if (scale.hidden) return
    const most = BAR_PIXELS / size * micrometres
    const power = 10 ** Math.floor(Math.log10(most))
    const length = [5, 2, 1].map(step => step * power).find(step => step <= most)
    scale.style.width = `${length / micrometres * size}px`
    scale.querySelector("span").textContent = lengthText(length)
  }

  function zoom(factor, x = 0.5, y = 0.5) {
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

  function share(view, event) {
    const box = view.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
  }

  function measure(view, from, to) {
    const { clientWidth: width, clientHeight: height } = view
    const [dx, dy] = [(to[0] - from[0]) * width, (to[1] - from[1]) * height]
    const ruler = view.querySelector(".ruler")
    const pixels = Math.hypot(dx, dy) / pixelSize(view)
    ruler.hidden = false
    ruler.style.cssText = `left:${from[0] * width}px; top:${from[1] * height}px; ` +
      `width:${Math.hypot(dx, dy)}px; transform:rotate(${Math.atan2(dy, dx)}rad)`
    find(".length").textContent = micrometres ? lengthText(pixels * micrometres)
      : `${Math.round(pixels)} pixels`
  }

  find(".in").onclick = () => zoom(1.5)
  find(".out").onclick = () => zoom(1 / 1.5)
  find(".fit").onclick = fit
  find(".full").onclick = () => root.getRootNode().fullscreenElement || document.fullscreenElement
    ? document.exitFullscreen() : root.requestFullscreen()
  root.onfullscreenchange = () => {
    const full = root.matches(":fullscreen")
    find(".full").textContent = full ? "Leave full screen" : "Full screen"
    place()
  }

  function makeView() {
    const view = document.createElement("div")
    view.className = "view"
    view.tabIndex = 0
    view.setAttribute("role", "img")
    view.innerHTML = '<img draggable="false" alt=""><div class="scale" hidden><span></span></div>' +
      '<div class="ruler" hidden></div><div class="title" hidden></div>'
    const image = view.querySelector("img")
    view.ondblclick = event => zoom(2, ...share(view, event))
    view.onwheel = event => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...share(view, event))
    }
    view.onpointerdown = event => {
      const start = share(view, event)
      if (event.shiftKey) drag = { ruler: start }
      else if (at.zoom > 1) drag = { x: start[0] - at.x, y: start[1] - at.y }
      if (drag) view.setPointerCapture(event.pointerId)
    }
    view.onpointermove = event => {
      if (!drag) return
      const here = share(view, event)
      if (drag.ruler) return measure(view, drag.ruler, here)
      Object.assign(at, { x: here[0] - drag.x, y: here[1] - drag.y })
      place()
    }
    view.onpointerup = view.onpointercancel = () => { drag = null }
    view.onkeydown = event => {
      const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
      if (event.key === "+" || event.key === "=") zoom(1.5)
      else if (event.key === "-") zoom(1 / 1.5)
      else if (event.key === "0") fit()
      else if (event.key in moves && at.zoom > 1) {
        at.x += 0.15 * moves[event.key][0]
        at.y += 0.15 * moves[event.key][1]
        place()
      } else return
      event.preventDefault()
      event.stopPropagation()
    }
    image.onload = () => {
      view.classList.remove("failed")
      view.classList.add("loaded")
      view.style.backgroundImage = ""
      place()
    }
    image.onerror = () => {
      view.classList.add("failed")
      view.style.backgroundImage = ""
      image.alt = "The picture could not be drawn. The server's log has the reason."
    }
    observer.observe(view)
    return view
  }

  return {
    update(data) {
      micrometres = data.micrometres
      find(".what").textContent = data.what
      while (views.length < data.panes.length) panes.append(views[views.push(makeView()) - 1])
      for (const view of views.splice(data.panes.length)) {
        observer.unobserve(view)
        view.remove()
      }
      panes.style.setProperty("--columns", data.panes.length)
      panes.classList.toggle("single", data.panes.length === 1)
      data.panes.forEach((pane, i) => {
        const [image, title] = [views[i].querySelector("img"), views[i].querySelector(".title")]
        views[i].setAttribute("aria-label", pane.alt)
        title.textContent = pane.title
        title.hidden = !pane.title
        if (image.getAttribute("src") !== pane.url) {
          // Its thumbnail stands in until it is drawn.
          if (pane.thumbnail) views[i].style.backgroundImage = `url("${pane.thumbnail}")`
          image.src = pane.url
        }
      })
      place()
    },
    stop: () => observer.disconnect(),
  }
}
