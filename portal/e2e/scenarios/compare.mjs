// How far pairs of pictures differ: pixels in which any channel differs by more than a hair.
import { readFile } from 'node:fs/promises'

// Chromium rasters the same rounded corner a level or two apart, depending on what it painted before.
const HAIR = 4

export default async function ({ browser, options }) {
  const page = await browser.newPage()
  const different = {}
  for (const [name, a, b] of options.pairs) {
    const [left, right] = await Promise.all([a, b].map(async (path) => (await readFile(path)).toString('base64')))
    different[name] = await page.evaluate(async ({ left, right, hair }) => {
      const pixels = async (text) => {
        const image = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: 'image/png' }))
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
        context.drawImage(image, 0, 0)
        return context.getImageData(0, 0, image.width, image.height)
      }
      const [x, y] = [await pixels(left), await pixels(right)]
      if (x.width !== y.width || x.height !== y.height) return x.width * x.height
      let count = 0
      for (let i = 0; i < x.data.length; i += 4) {
        if (Math.abs(x.data[i] - y.data[i]) > hair || Math.abs(x.data[i + 1] - y.data[i + 1]) > hair || Math.abs(x.data[i + 2] - y.data[i + 2]) > hair) count++
      }
      return count
    }, { left, right, hair: HAIR })
  }
  return { different }
}
