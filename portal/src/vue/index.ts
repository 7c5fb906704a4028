import { createApp } from 'vue'
import type { App } from '../core/app/app'
import Shell from './Shell.vue'
import { APP } from './use'

export const framework = 'vue'

export function mount(app: App, el: HTMLElement): void {
  createApp(Shell).provide(APP, app).mount(el)
}
