import { framework, mount } from 'virtual:portal-view'
import { startBrowser } from './core/browser'
import './css/index.css'

startBrowser(framework, mount)
