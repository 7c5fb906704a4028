import { inject, onScopeDispose, shallowRef, type InjectionKey, type ShallowRef } from 'vue'
import type { App } from '../core/app/app'
import type { Readable } from '../core/util/store'

export const APP: InjectionKey<App> = Symbol('app')
export const useApp = (): App => inject(APP)!

export function useReadable<T>(source: Readable<T>): ShallowRef<T> {
  const value = shallowRef(source.getSnapshot())
  onScopeDispose(source.subscribe(() => (value.value = source.getSnapshot())))
  return value
}
