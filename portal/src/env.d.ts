/** Address of the hub's script, relative to the page; the build fills it in. */
declare const __HUB__: string

declare module '*.vue' {
  import type { DefineComponent } from 'vue'
  const component: DefineComponent
  export default component
}

declare module 'virtual:portal-view' {
  import type { App } from './core/app/app'
  export const framework: string
  export function mount(app: App, el: HTMLElement): void
}
