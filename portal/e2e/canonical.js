/**
 * A part of a page as text in which only what means something differs: no comments, attributes in order, no empty text.
 * It refers to nothing outside itself, so that it can be sent into a page.
 * @param {Node} node
 * @param {number} [depth]
 * @returns {string}
 */
export function canonical(node, depth = 0) {
  const pad = '\n' + ' '.repeat(depth)
  if (node.nodeType === 3) return node.textContent ? pad + JSON.stringify(node.textContent) : ''
  if (node.nodeType !== 1) return ''
  const el = /** @type {Element} */ (node)
  const attributes = [...el.attributes].filter(({ name, value }) => !(name === 'style' && value === '')).map(({ name, value }) => ` ${name}=${JSON.stringify(value)}`).sort().join('')
  return `${pad}<${el.tagName.toLowerCase()}${attributes}>${[...el.childNodes].map((child) => canonical(child, depth + 1)).join('')}`
}
