import type { Messages } from '.'
import { en } from './en'
export const fr: Messages = en
