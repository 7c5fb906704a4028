// A page with 24 × 12 cells under a torrent of events: frames a second, events received, gaps, lag.
export default async function ({ person, options }) {
  const page = await person({ hash: `#/runs/${options.run}/matrix?env=${options.environment}`, reducedMotion: 'no-preference' })
  await page.locator('.matrix td').first().waitFor()
  await page.waitForFunction(() => globalThis.chainfleet.metrics.records > 0, null, { timeout: 30_000 })
  if (options.throttle) await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: options.throttle })
  const seen = await page.evaluate(async (seconds) => {
    const { metrics } = globalThis.chainfleet
    const before = { ...metrics }
    let changes = 0
    const observer = new MutationObserver((list) => { changes += list.length })
    observer.observe(document.querySelector('.matrix'), { subtree: true, childList: true, attributes: true, characterData: true })
    const gaps = []
    let frames = 0
    let last = performance.now()
    const begin = last
    await new Promise((resolve) => {
      const frame = (now) => {
        frames++
        gaps.push(now - last)
        last = now
        if (now - begin < seconds * 1000) requestAnimationFrame(frame)
        else resolve()
      }
      requestAnimationFrame(frame)
    })
    observer.disconnect()
    gaps.sort((a, b) => a - b)
    const took = (last - begin) / 1000
    return {
      seconds: took, fps: frames / took, frame_p95_ms: gaps[Math.floor(gaps.length * 0.95)], frame_max_ms: gaps[gaps.length - 1],
      received: metrics.records - before.records, changes, heap_mb: (performance.memory?.usedJSHeapSize ?? 0) / 1e6, cells: document.querySelectorAll('.matrix td').length,
    }
  }, options.seconds)
  // To the last event, so that what was sent and what came can be compared.
  let count = -1
  for (;;) {
    const now = await page.evaluate(() => globalThis.chainfleet.metrics.records)
    if (now === count) break
    count = now
    await page.waitForTimeout(1500)
  }
  return { ...seen, ...(await page.evaluate(() => globalThis.chainfleet.metrics)), link: await page.locator('.link-text').innerText() }
}
