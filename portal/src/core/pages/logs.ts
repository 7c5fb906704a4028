/** The logs of a run's attempts. */
import type { App } from '../app/app'
import { LogTail } from '../app/logs'
import type { OpenRun } from '../app/runs'
import type { Block } from '../view/blocks'

const tails = new WeakMap<App, { key: string; tail: LogTail }>()

/** One tail at a time: the log that is looked at. */
function tailOf(app: App, open: OpenRun, task: string, attempt: string, query: string): LogTail {
  const key = [open.environment, open.run, task, attempt, query].join(' ')
  const known = tails.get(app)
  if (known?.key === key) return known.tail
  const tail = new LogTail(app, `/environments/${open.environment}/runs/${open.run}`, { task, ...(attempt ? { attempt } : {}), ...(query ? { query } : {}) })
  tails.set(app, { key, tail })
  return tail
}

export function logBlocks(app: App, open: OpenRun): Block[] {
  const { t } = app
  const { query } = app.route
  const model = open.model!
  const worked = [...model.tasks.values()].filter((task) => task.attempts > 0)
  const failedFirst = worked.sort((a, b) => Number(b.state === 'failed') - Number(a.state === 'failed') || Number(b.state === 'running') - Number(a.state === 'running'))
  const task = query['task'] && model.tasks.has(query['task']) ? query['task'] : failedFirst[0]?.node.id
  if (app.world.framework === 'file') return [{ kind: 'empty', key: 'empty', title: t('log.notInFile'), text: t('log.notInFileText'), code: '', buttons: [] }]
  if (!task) return [{ kind: 'empty', key: 'empty', title: t('log.none'), text: t('log.noneText'), code: '', buttons: [] }]
  const attempts = model.tasks.get(task)!.attempts
  const tail = tailOf(app, open, task, query['attempt'] ?? '', query['q'] ?? '')
  const options = worked.map(({ node, state }) => ({ value: node.id, label: state === 'failed' ? `✕ ${node.id}` : node.id })).sort((a, b) => a.value.localeCompare(b.value))
  return [{
    kind: 'section', key: 'logs', size: 'full', title: t('tab.logs'), hint: t('log.hint'), buttons: [],
    blocks: [
      {
        kind: 'bar', key: 'log-bar', label: t('filters'), buttons: [],
        choices: [
          { key: 'task', label: t('task'), value: task, options, act: { do: 'query', set: { task: '*', attempt: null } } },
          { key: 'attempt', label: t('attempt'), value: query['attempt'] ?? '', options: [{ value: '', label: t('log.last') }, ...Array.from({ length: attempts }, (_, i) => ({ value: String(i + 1), label: String(i + 1) }))], act: { do: 'query', set: { attempt: '*' } } },
        ],
        search: { key: 'q', label: t('log.search'), type: 'search', value: query['q'] ?? '', act: { do: 'query', set: { q: '*' } } },
      },
      { kind: 'panel', key: `log/${task}`, panel: 'log', label: t('log.label', { task }), input: { tail, words: app.words, find: query['q'] ?? '' } },
    ],
  }]
}
