/** Places on the map (Equal Earth, as the stored outline of the land) and where it is night. Pure. */
export const MAP_WIDTH = 960
export const MAP_HEIGHT = 440

const A1 = 1.340264
const A2 = -0.081106
const A3 = 0.000893
const A4 = 0.003796
const M = Math.sqrt(3) / 2
const RAD = Math.PI / 180

/** Equal Earth, after Šavrič, Patterson and Jenny (2018). Radians in, unit-sphere lengths out. */
export function equalEarth(lambda: number, phi: number): [number, number] {
  const l = Math.asin(M * Math.sin(phi))
  const l2 = l * l
  const l6 = l2 * l2 * l2
  return [(lambda * Math.cos(l)) / (M * (A1 + 3 * A2 * l2 + l6 * (7 * A3 + 9 * A4 * l2))), l * (A1 + A2 * l2 + l6 * (A3 + A4 * l2))]
}

/** Scale and centre that the build step used for the outline; see `tools/make-map.mjs`. */
export const MAP_SCALE = 177
export const MAP_CENTRE: readonly [number, number] = [480, 243]

export function place(latitude: number, longitude: number): [number, number] {
  const [x, y] = equalEarth(longitude * RAD, latitude * RAD)
  return [MAP_CENTRE[0] + x * MAP_SCALE, MAP_CENTRE[1] - y * MAP_SCALE]
}

/** Where the sun stands in the zenith at a moment (ms since 1970): latitude and longitude in degrees, good to a degree. */
export function subsolar(ms: number): [number, number] {
  const days = ms / 86_400_000 - 10957.5
  const g = (357.529 + 0.98560028 * days) * RAD
  const q = 280.459 + 0.98564736 * days
  const l = (q + 1.915 * Math.sin(g) + 0.02 * Math.sin(2 * g)) * RAD
  const tilt = 23.439 * RAD
  const declination = Math.asin(Math.sin(tilt) * Math.sin(l)) / RAD
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(l), Math.cos(l)) / RAD
  const sidereal = (280.46061837 + 360.98564736629 * days) % 360
  return [declination, ((((ascension - sidereal) % 360) + 540) % 360) - 180]
}

/** The night side as an SVG path. */
export function nightPath(ms: number): string {
  const [latitude, longitude] = subsolar(ms)
  // At the equinoxes the terminator is a meridian; a hair of tilt keeps the formula finite.
  const tan = Math.tan((Math.abs(latitude) < 0.1 ? Math.sign(latitude || 1) * 0.1 : latitude) * RAD)
  const points: string[] = []
  const pole = latitude >= 0 ? -90 : 90
  for (let lon = -180; lon <= 180; lon += 3) {
    const lat = Math.atan(-Math.cos((lon - longitude) * RAD) / tan) / RAD
    points.push(place(lat, lon).map((v) => v.toFixed(1)).join(' '))
  }
  const edge = (lon: number): string[] => {
    const steps: string[] = []
    const from = Math.atan(-Math.cos((lon - longitude) * RAD) / tan) / RAD
    for (let i = 1; i <= 12; i++) steps.push(place(from + ((pole - from) * i) / 12, lon).map((v) => v.toFixed(1)).join(' '))
    return steps
  }
  return `M${[...points, ...edge(180), ...edge(-180).reverse()].join('L')}Z`
}

export interface LocalTime {
  readonly text: string
  readonly hour: number
  readonly business: boolean
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** Formatters are dear to make; there is one per zone and locale. */
function clock(zone: string, locale: string, weekday: boolean): Intl.DateTimeFormat {
  const key = `${zone} ${locale} ${weekday}`
  let found = clocks.get(key)
  if (!found) {
    found = new Intl.DateTimeFormat(locale, { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(weekday ? { weekday: 'short' } : {}) })
    clocks.set(key, found)
  }
  return found
}

/** The time of day in a zone; business hours are 9 to 17, Monday to Friday. */
export function localTime(ms: number, zone: string, locale: string): LocalTime | null {
  if (!zone) return null
  const parts = clock(zone, 'en-GB', true).formatToParts(ms)
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? ''
  const hour = Number(of('hour')) + Number(of('minute')) / 60
  return {
    text: clock(zone, locale, false).format(ms),
    hour,
    business: hour >= 9 && hour < 17 && !['Sat', 'Sun'].includes(of('weekday')),
  }
}
