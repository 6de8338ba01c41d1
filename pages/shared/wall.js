// One wall: tiles and the open one from Python (`data`), clicks and the selection back to Python.
// Tiles carry row numbers. Python prunes its state in the same way, so both stay equal.

const walls = new WeakMap()

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component
  let wall = walls.get(parentElement)
  if (!wall) {
    wall = makeWall(parentElement)
    walls.set(parentElement, wall)
  }
  wall.send = setStateValue
  wall.tell = setTriggerValue
  wall.update(data)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function makeWall(parent) {
  const root = parent.querySelector(".wall")
  const grid = root.querySelector(".grid")
  const count = root.querySelector(".count")
  const all = root.querySelector(".all")
  const none = root.querySelector(".none")
  const wall = { send: () => {}, tell: () => {}, data: null, tiles: [], selected: new Set(), open: null,
    anchor: 0, drawn: "", rows: "" }

  function draw(tiles) {
    // The same images with other marks (a flag set) stay where they were scrolled to.
    const rows = tiles.map(tile => tile.row).join()
    const [top, focused] = [grid.scrollTop, wall.tiles.indexOf(parent.activeElement)]
    const same = rows === wall.rows
    wall.rows = rows
    wall.tiles = tiles.map((tile, place) => drawTile(tile, place))
    grid.replaceChildren(...wall.tiles)
    if (!tiles.length) grid.replaceChildren(element("div", "empty", wall.data.empty))
    grid.scrollTop = same ? top : 0
    if (same && focused >= 0) focus(focused)
    if (!same) wall.anchor = 0
  }

  function drawTile(tile, place) {
    const button = element("button", "tile" + (tile.wrong ? " wrong" : ""))
    button.type = "button"
    button.dataset.row = tile.row
    button.tabIndex = place === 0 ? 0 : -1
    button.setAttribute("aria-label", tile.alt)
    button.title = tile.alt
    const picture = element("span", "picture")
    const asText = () => {
      picture.classList.add("text")
      picture.replaceChildren(element("span", "", tile.id), ...flag)
    }
    const flag = tile.flagged ? [element("span", "flag", "⚑ flagged")] : []
    if (tile.url) {
      const image = element("img")
      image.loading = "lazy"
      image.decoding = "async"
      image.alt = ""
      image.draggable = false
      image.onerror = asText
      image.src = tile.url
      picture.append(image, ...flag)
    } else asText()
    const caption = element("span", "caption")
    const names = element("div")
    if (tile.label !== null) names.append(element("b", "", tile.label))
    names.append(element("span", "arrow", "→"), element("b", "", tile.predicted))
    const below = element("div")
    if (tile.wrong) below.append(element("span", "verdict", "wrong"))
    if (tile.value) below.append(element("span", "value", tile.value))
    if (tile.dose) below.append(element("span", "value", tile.dose))
    caption.append(names, below)
    button.append(picture, caption)
    if (tile.wrong) {
      const cross = element("span", "cross", "✕")
      cross.ariaHidden = "true"
      button.append(cross)
    }
    const tick = element("span", "tick", "✓")
    tick.ariaHidden = "true"
    button.append(tick)
    return button
  }

  function mark() {
    const { selectable, total } = wall.data
    for (const button of wall.tiles) {
      const row = Number(button.dataset.row)
      if (selectable) button.setAttribute("aria-pressed", wall.selected.has(row))
      else button.removeAttribute("aria-pressed")
      button.classList.toggle("open", row === wall.open)
      if (row === wall.open) button.setAttribute("aria-current", "true")
      else button.removeAttribute("aria-current")
    }
    const shown = wall.tiles.length
    let text = shown < total ? `first ${shown.toLocaleString("en")} of ${total.toLocaleString("en")}`
      : `${shown.toLocaleString("en")} image${shown === 1 ? "" : "s"}`
    if (wall.selected.size) text += `, ${wall.selected.size.toLocaleString("en")} selected`
    count.textContent = text
    all.hidden = !selectable || !shown || wall.selected.size === shown
    none.hidden = !selectable || !wall.selected.size
  }

  function select(rows) {
    wall.selected = new Set(rows)
    mark()
    wall.send("selected", [...wall.selected])
  }

  function toggle(place) {
    const row = Number(wall.tiles[place].dataset.row)
    const next = new Set(wall.selected)
    if (!next.delete(row)) next.add(row)
    wall.anchor = place
    select(next)
  }

  function selectRange(place) {
    const [from, to] = [Math.min(wall.anchor, place), Math.max(wall.anchor, place)]
    const rows = wall.tiles.slice(from, to + 1).map(tile => Number(tile.dataset.row))
    select([...wall.selected, ...rows])
  }

  function open(place) {
    const row = Number(wall.tiles[place].dataset.row)
    wall.anchor = place
    wall.open = row
    mark()
    wall.tell("opened", row)
  }

  function focus(place) {
    for (const tile of wall.tiles) if (tile.tabIndex === 0) tile.tabIndex = -1
    wall.tiles[place].tabIndex = 0
    wall.tiles[place].focus()
  }

  grid.onclick = event => {
    const button = event.target.closest(".tile")
    if (!button) return
    const place = wall.tiles.indexOf(button)
    focus(place)
    const { selectable } = wall.data
    if (selectable && event.shiftKey) selectRange(place)
    else if (selectable && (event.ctrlKey || event.metaKey || event.target.closest(".tick")))
      toggle(place)
    else open(place)
  }

  grid.onkeydown = event => {
    const button = event.target.closest(".tile")
    if (!button) return
    const place = wall.tiles.indexOf(button)
    const last = wall.tiles.length - 1
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length
    const page = columns * Math.max(1, Math.floor(grid.clientHeight / button.offsetHeight) - 1)
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
      PageUp: -page, PageDown: page }
    const { selectable } = wall.data
    let target = null
    if (event.key in steps) {
      target = place + steps[event.key]
      // Up from the first and down from the last line stay where they are.
      if (target < 0 || target > last)
        target = event.key.startsWith("Page") ? Math.min(Math.max(target, 0), last) : place
    } else if (event.key === "Home") target = 0
    else if (event.key === "End") target = last
    else if (event.key === "Enter") open(place)
    else if (event.key === " " && selectable) toggle(place)
    else if (event.key === " ") open(place)
    else if (event.key === "Escape" && wall.selected.size) select([])
    else if (event.key === "a" && (event.ctrlKey || event.metaKey) && selectable) all.onclick()
    else return
    event.preventDefault()
    event.stopPropagation()
    if (target === null || target === place) return
    if (selectable && event.shiftKey) selectRange(target)
    focus(target)
  }

  all.onclick = () => select(wall.tiles.map(tile => Number(tile.dataset.row)))
  none.onclick = () => select([])

  wall.update = data => {
    wall.data = data
    root.style.setProperty("--tile", data.side + "px")
    root.style.maxHeight = data.height ? data.height + "px" : "none"
    root.classList.toggle("pixels", data.pixels)
    root.classList.toggle("long", data.long)
    root.classList.toggle("fixed", !data.selectable)
    grid.setAttribute("aria-label", data.name)
    const tiles = JSON.stringify(data.tiles)
    if (tiles !== wall.drawn) {
      draw(data.tiles)
      wall.drawn = tiles
      const here = new Set(data.tiles.map(tile => tile.row))
      const kept = [...wall.selected].filter(row => here.has(row))
      // Else Python would select again, unseen, what comes back to the wall later.
      if (kept.length < wall.selected.size) wall.send("selected", kept)
      wall.selected = new Set(kept)
    }
    wall.open = data.open
    mark()
  }
  return wall
}
