// Keeps the page that was asked for in this tab, for browser.js to return to it after the login.

export default function () {
  if (window.bnnAsks) return
  window.bnnAsks = true
  window.addEventListener("click", event => {
    if (event.target.closest?.(".st-key-login button")) {
      // After a failed login the address is the root: the page that was asked for stays.
      const asked = location.pathname + location.search
      if (asked !== "/" || !sessionStorage.getItem("bnn_asked")) sessionStorage.setItem("bnn_asked", asked)
    }
  }, true)
}
