/** What keys do. */
import { actVerb, allowed, failures } from '../pages/parts'
import type { App } from './app'
import type { Command } from './keys'
import { NAV } from './palette'

/** Carries a command out; false if there is nothing for it here. */
export function command(app: App, name: Command): boolean {
  if (!app.who && name !== 'close') return false
  // What lies behind a dialog is not to be touched from it.
  if (app.overlay && name !== 'close') return false
  const place = NAV.find((other) => other === name)
  if (place) {
    app.go(app.link([place]))
    return true
  }
  const run = app.run
  switch (name) {
    case 'palette':
    case 'help':
      app.dispatch({ do: 'call', name })
      return true
    case 'play':
    case 'live':
    case 'step-back':
    case 'step-on':
      if (app.route.path[0] !== 'runs' || !app.route.path[1]) return false
      app.dispatch({ do: 'call', name: name === 'step-back' ? 'stepBack' : name === 'step-on' ? 'stepOn' : name })
      return true
    case 'search':
      app.world.focus('search')
      return true
    case 'close':
      if (!app.overlay) return false
      app.show(null)
      return true
    case 'next-failure':
    case 'previous-failure':
      return failure(app, name === 'next-failure' ? 1 : -1)
    case 'logs':
      if (!run) return false
      app.go(app.link(['runs', run.run, 'logs'], { task: app.route.query['task'] ?? null }))
      return true
    case 'retry':
    case 'pause': {
      const action = name === 'pause' && run && allowed(run, 'resume') ? 'resume' : name
      if (!run || !allowed(run, action)) return false
      app.dispatch({ do: 'verb', verb: actVerb(run, action, name === 'retry' && app.route.query['task'] ? [app.route.query['task']] : []) })
      return true
    }
    default:
      return false
  }
}

function failure(app: App, by: number): boolean {
  const list = app.run ? failures(app.run) : []
  if (!app.run || !list.length) return false
  const at = list.indexOf(app.route.query['task'] ?? '')
  const next = list[(at + by + list.length + (at < 0 && by < 0 ? 1 : 0)) % list.length]!
  app.go(app.link(['runs', app.run.run, 'matrix'], { task: next }))
  return true
}
