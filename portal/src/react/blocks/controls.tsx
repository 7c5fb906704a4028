import type { Badge, Button, Choice } from '../../core/view/blocks'
import { syncField, valueOf } from '../../core/view/dom'
import { ICONS, type IconName } from '../../core/view/icons'
import { useApp } from '../use'

export function IconView({ name }: { name: IconName }) {
  return <svg className="icon" viewBox="0 0 16 16" aria-hidden="true"><path d={ICONS[name]} /></svg>
}

export function ButtonView({ button, bare }: { button: Button; bare?: boolean }) {
  const app = useApp()
  return <button type="button" className={`button ${bare ? 'button-bare' : `button-${button.tone ?? 'normal'}`}`} disabled={button.disabled} title={bare ? button.label : button.hint} aria-label={bare ? button.label : undefined} aria-pressed={button.pressed === undefined ? undefined : button.pressed ? 'true' : 'false'} onClick={() => app.dispatch(button.act)}>{button.icon && <IconView name={button.icon} />}{!bare && <span>{button.label}</span>}</button>
}

export function ChoiceView({ choice }: { choice: Choice }) {
  const app = useApp()
  return <label className="choice"><span className="choice-label">{choice.label}</span><select ref={(el) => syncField(el, choice.value)} onChange={(event) => app.dispatch(choice.act, valueOf(event.nativeEvent))}>{choice.options.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}</select></label>
}

export function BadgeView({ badge }: { badge: Badge }) {
  return <span className={`badge tone-${badge.tone}`}>{badge.state ? <IconView name={badge.state} /> : <span className="badge-dot" aria-hidden="true"></span>}<span>{badge.text}</span></span>
}
