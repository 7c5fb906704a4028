/** The SharedWorker around the hub; tabs that vanish without a word are dropped when their lock is released. */
import { Hub, type ToHub } from './hub'
import { realWorld } from './stream'

const scope = globalThis as unknown as { onconnect: ((event: MessageEvent) => void) | null }
const hub = new Hub(realWorld)

scope.onconnect = (event) => {
  const port = event.ports[0]!
  port.onmessage = ({ data }: MessageEvent<ToHub & { lock?: string }>) => {
    hub.receive(port, data)
    // A tab holds its lock as long as it lives: getting it means the tab is gone.
    if (data.lock) void navigator.locks.request(data.lock, () => hub.receive(port, { type: 'leave' }))
  }
}
