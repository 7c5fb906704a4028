import { createRoot } from 'react-dom/client'
import type { App } from '../core/app/app'
import { Shell } from './Shell'
import { AppContext } from './use'

export const framework = 'react'

export function mount(app: App, el: HTMLElement): void {
  createRoot(el).render(<AppContext value={app}><Shell /></AppContext>)
}
