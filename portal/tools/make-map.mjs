// Writes src/core/draw/land.ts: the outline of the land as one SVG path, so that the page needs no map library and no tiles.
import { readFile, writeFile } from 'node:fs/promises'
import { geoEqualEarth, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'

const world = JSON.parse(await readFile(new URL('../node_modules/world-atlas/land-110m.json', import.meta.url), 'utf8'))
const land = feature(world, world.objects.land)
// Antarctica carries no region and half of the picture.
land.features ??= [land]
for (const f of land.features) {
  f.geometry.coordinates = f.geometry.coordinates.filter((polygon) => polygon[0].some(([, lat]) => lat > -60))
}
const projection = geoEqualEarth().scale(177).translate([480, 243])
const path = geoPath(projection).digits(0)(land)
await writeFile(
  new URL('../src/core/draw/land.ts', import.meta.url),
  `/** Natural Earth's land at 1:110 million (world-atlas 2.0.2, public domain data), Equal Earth; made by \`npm run map\`. */\nexport const LAND =\n  '${path}'\n`,
)
console.log(`land.ts: ${path.length} characters`)
