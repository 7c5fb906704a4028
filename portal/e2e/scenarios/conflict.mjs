// Two people edit one environment: the slower one sees both changes, keeps both, and loses nothing.
export default async function ({ person, api, options }) {
  const hash = `#/environments/${options.environment}`
  const ada = await person({ hash: `${hash}/form`, token: options.tokens.ada })
  const bob = await person({ hash: `${hash}/form`, token: options.tokens.bob })
  for (const page of [ada, bob]) await page.getByLabel('Block period in seconds').waitFor()

  await bob.getByLabel('Block period in seconds').fill('9')
  await bob.getByLabel('Request timeout in seconds').fill('20')
  await ada.getByLabel('Block period in seconds').fill('7')
  await ada.getByLabel('Failed regions allowed').fill('1')
  await ada.getByLabel('Note').fill('slower blocks')
  await ada.getByRole('button', { name: 'Save' }).click()
  await ada.locator('.toast', { hasText: 'Saved as revision' }).waitFor()

  await bob.getByLabel('Note').fill('patience')
  await bob.getByRole('button', { name: 'Save' }).click()
  const conflict = bob.getByRole('region', { name: /Somebody was faster/ })
  await conflict.waitFor()
  const shown = await conflict.locator('tbody tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText)))
  const before = await api(`/environments/${options.environment}`)
  if (options.shots) await bob.screenshot({ path: `${options.shots}/conflict-${options.framework}.png`, fullPage: true })
  await conflict.getByRole('row', { name: /block_period/ }).getByRole('button', { name: 'Theirs' }).click()
  await conflict.getByRole('button', { name: 'Save both changes' }).click()
  await bob.locator('.toast', { hasText: 'Saved as revision' }).waitFor()
  const after = await api(`/environments/${options.environment}`)

  // Text that is no YAML is told with its place, at the field; nothing is saved.
  await ada.goto(`${options.base}/ui/${options.framework}/${hash}/yaml`)
  await ada.getByLabel('Fleet (YAML)').fill('name: x\nnetwork: [1,\nregions: {')
  const error = ada.locator('.field-error')
  await error.waitFor()
  const fault = await error.innerText()
  const last = await api(`/environments/${options.environment}`)
  return { shown, before: before.revision, after: after.form, revision: after.revision, last: last.revision, fault }
}
