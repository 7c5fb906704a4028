/** A value with a version that views subscribe to: what `useSyncExternalStore` and `shallowRef` both accept. */
export interface Readable<T> {
  getSnapshot(): T
  subscribe(listener: () => void): () => void
}

/**
 * Tells listeners once per microtask, however often it was touched meanwhile.
 *
 * A microtask and not an animation frame: frames stop in hidden tabs, and state must not.
 */
export class Signal {
  private readonly listeners = new Set<() => void>()
  private pending = false

  touch(): void {
    if (this.pending) return
    this.pending = true
    queueMicrotask(() => {
      this.pending = false
      for (const listener of [...this.listeners]) listener()
    })
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}

export class Store<T> implements Readable<T> {
  private readonly signal = new Signal()
  constructor(private value: T) {}

  getSnapshot = (): T => this.value
  subscribe = this.signal.subscribe

  set(value: T): void {
    if (Object.is(value, this.value)) return
    this.value = value
    this.signal.touch()
  }

  update(change: (value: T) => T): void {
    this.set(change(this.value))
  }
}

/** Remembers the last result for the last inputs, so that unchanged parts keep their identity. */
export function memo<A extends readonly unknown[], R>(compute: (...inputs: A) => R): (...inputs: A) => R {
  let last: A | undefined
  let result: R
  return (...inputs: A): R => {
    const before = last
    if (!before || before.length !== inputs.length || inputs.some((input, i) => !Object.is(input, before[i]))) {
      result = compute(...inputs)
      last = inputs
    }
    return result
  }
}
