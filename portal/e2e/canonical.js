// The page as text in which only what means something differs: no comments, attributes in order, no empty text.
(() => {
  const text = (node, depth) => {
    const pad = '\n' + ' '.repeat(depth)
    if (node.nodeType === 3) return node.textContent ? pad + JSON.stringify(node.textContent) : ''
    if (node.nodeType !== 1) return ''
    const attributes = [...node.attributes].filter(({ name, value }) => !(name === 'style' && value === '')).map(({ name, value }) => ` ${name}=${JSON.stringify(value)}`).sort().join('')
    return `${pad}<${node.tagName.toLowerCase()}${attributes}>${[...node.childNodes].map((child) => text(child, depth + 1)).join('')}`
  }
  return text(document.querySelector('.shell'), 0)
})()
