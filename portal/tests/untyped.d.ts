declare module 'd3-geo' {
  interface Projection {
    (point: [number, number]): [number, number] | null
    scale(value: number): Projection
    translate(value: [number, number]): Projection
  }
  export function geoEqualEarth(): Projection
}
