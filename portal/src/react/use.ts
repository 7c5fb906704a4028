import { createContext, useContext, useSyncExternalStore } from 'react'
import type { App } from '../core/app/app'
import type { Readable } from '../core/util/store'

export const AppContext = createContext<App | null>(null)
export const useApp = (): App => useContext(AppContext)!

export function useReadable<T>(source: Readable<T>): T {
  return useSyncExternalStore(source.subscribe, source.getSnapshot)
}
