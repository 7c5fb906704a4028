import type { BlockOf, Field } from '../../core/view/blocks'
import { classes, isPaletteKey, syncField, syncRange, toggled, valueOf } from '../../core/view/dom'
import { useApp } from '../use'
import { ButtonView, ChoiceView } from './controls'

export function BarBlock({ block }: { block: BlockOf<'bar'> }) {
  const app = useApp()
  const { search } = block
  return (
    <div className="bar-block" role="group" aria-label={block.label}>
      {search && <label className="search"><span className="quiet-voice">{search.label}</span><input ref={(el) => syncField(el, search.value)} type="search" placeholder={search.label} autoComplete="off" onInput={(event) => app.dispatch(search.act, valueOf(event.nativeEvent))} /></label>}
      {block.choices.map((choice) => <ChoiceView key={choice.key} choice={choice} />)}
      {block.buttons.map((button) => <ButtonView key={button.key} button={button} />)}
      {block.note && <span className="bar-note">{block.note}</span>}
    </div>
  )
}

export function FormBlock({ block }: { block: BlockOf<'form'> }) {
  const app = useApp()
  return (
    <form className="form" aria-label={block.label} noValidate onSubmit={(event) => { event.preventDefault(); app.dispatch(block.submit) }}>
      <div className="fields">{block.fields.map((field) => <FieldView key={field.key} field={field} form={block.key} />)}</div>
      {block.buttons.length > 0 && <div className="form-buttons">{block.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}
    </form>
  )
}

function FieldView({ field, form }: { field: Field; form: string }) {
  const id = `${form}-${field.key}`
  return (
    <div className={classes(`field field-${field.type}`, field.wide && 'field-wide', field.mono && 'mono')}>
      <Control field={field} form={form} id={id} />
      {field.hint && <span id={`${id}-hint`} className="field-hint">{field.hint}</span>}
      {field.error && <span id={`${id}-error`} className="field-error" role="alert">{field.error}</span>}
    </div>
  )
}

function Control({ field, form, id }: { field: Field; form: string; id: string }) {
  const app = useApp()
  const send = (value: string) => app.dispatch({ do: 'draft', form, field: field.key }, value)
  const sync = (el: Element | null) => syncField(el, field.value)
  const described = [field.hint ? `${id}-hint` : '', field.error ? `${id}-error` : ''].filter(Boolean).join(' ') || undefined
  const common = { id, ref: sync, 'aria-describedby': described, 'aria-invalid': field.error ? ('true' as const) : undefined }
  if (field.type === 'checks') return <fieldset className="checks"><legend>{field.label}</legend>{field.options?.map((option) => <label key={option.value} className="check"><input ref={(el) => syncField(el, field.value.split(' ').includes(option.value) ? 'yes' : '')} type="checkbox" onChange={(event) => send(toggled(field.value, option.value, valueOf(event.nativeEvent) === 'yes'))} /><span>{option.label}</span></label>)}</fieldset>
  if (field.type === 'check') return <label className="check"><input id={id} ref={sync} type="checkbox" aria-describedby={described} onChange={(event) => send(valueOf(event.nativeEvent))} /><span>{field.label}</span></label>
  return (
    <>
      <label className="field-label" htmlFor={id}>{field.label}</label>
      {field.type === 'select'
        ? <select {...common} onChange={(event) => send(valueOf(event.nativeEvent))}>{field.options?.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}</select>
        : field.type === 'area'
          ? <textarea {...common} rows={field.rows} spellCheck="false" onInput={(event) => send(valueOf(event.nativeEvent))}></textarea>
          : <input {...common} type={field.type === 'number' ? 'text' : field.type} inputMode={field.type === 'number' ? 'decimal' : undefined} placeholder={field.placeholder} autoComplete="off" aria-required={field.required ? 'true' : undefined} onInput={(event) => send(valueOf(event.nativeEvent))} />}
    </>
  )
}

export function ScrubBlock({ block }: { block: BlockOf<'scrub'> }) {
  const app = useApp()
  return (
    <div className="scrub" role="group" aria-label={block.label}>
      {block.buttons.map((button) => <ButtonView key={button.key} button={button} bare />)}
      <input ref={(el) => syncRange(el, block)} className="scrub-range" type="range" aria-label={block.label} aria-valuetext={block.text} onInput={(event) => app.dispatch(block.act, valueOf(event.nativeEvent))} />
      <span className="scrub-text">{block.text}</span>
    </div>
  )
}

export function PaletteBlock({ block }: { block: BlockOf<'palette'> }) {
  const app = useApp()
  return (
    <div className="palette">
      <input id="palette-input" ref={(el) => syncField(el, block.value)} type="text" role="combobox" autoFocus autoComplete="off" aria-expanded="true" aria-controls="palette-list" aria-label={block.label} placeholder={block.label} aria-activedescendant={block.items.some((item) => item.active) ? 'palette-active' : undefined} onKeyDown={(event) => { if (isPaletteKey(event.nativeEvent)) app.dispatch({ do: 'call', name: 'paletteKey' }, event.key) }} onInput={(event) => app.dispatch({ do: 'draft', form: 'palette', field: 'query' }, valueOf(event.nativeEvent))} />
      {block.items.length > 0
        ? <ul id="palette-list" className="palette-list" role="listbox" aria-label={block.label}>{block.items.map((item) => <li key={item.key} id={item.active ? 'palette-active' : undefined} className="palette-item" role="option" aria-selected={item.active ? 'true' : 'false'} onClick={() => app.dispatch({ do: 'call', name: 'run', args: [item.key] })}><span>{item.label}</span><span className="palette-hint">{item.hint}</span></li>)}</ul>
        : <p id="palette-list" className="items-empty">{block.empty}</p>}
    </div>
  )
}
