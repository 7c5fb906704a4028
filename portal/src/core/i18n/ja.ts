import type { Messages } from '.'
import { en } from './en'
export const ja: Messages = en
