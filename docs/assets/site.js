// Names for what the theme leaves nameless: the search's dialog, and the buttons that copy a block. A table that is wider than
// the page is scrolled with the keyboard too. What a table quotes of a program is a sentence where it has four words.
document$.subscribe(() => {
  document.querySelector('.md-search[role=dialog]')?.setAttribute('aria-label', 'Search')
  const name = () => {
    document.querySelectorAll('.md-code__nav:not([aria-label])').forEach((nav) => nav.setAttribute('aria-label', `Block ${nav.closest('pre')?.id.replace('__code_', '') ?? ''}`.trim()))
    document.querySelectorAll('td:first-child code').forEach((code) => code.classList.toggle('sentence', code.textContent.split(' ').length > 3))
    document.querySelectorAll('.md-typeset__scrollwrap:not([tabindex])').forEach((wide) => { if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0 })
  }
  name()
  new MutationObserver(name).observe(document.querySelector('.md-content') ?? document.body, { childList: true, subtree: true })
})
