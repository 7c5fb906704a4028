import type { Messages } from '.'
import { en } from './en'
export const de: Messages = en
