/** Which tiles show which part of a slide. Knows no viewer, so that the first ones are asked for before there is one. */

import type { Viewing } from "../api/client";

/** In level-0 pixels. */
export type Area = { x: number; y: number; width: number; height: number };

/**
 * Least share of its size at which a level is drawn; a coarser one, up to 1.1 times enlarged, does below.
 *
 * At one half, as OpenSeadragon has it, every other objective (20x on a slide of 40x) would be drawn from the
 * next finer level at half its size: four times the tiles for a picture that the level itself shows 1:1.
 */
export const LEAST_SHARE = 0.55;

/** Under which the tiles of a viewing lie. */
export const folderOf = (viewing: Viewing): string => viewing.dzi.replace(/\.dzi$/, "_files");

/** Addresses of the tiles that show an area at a zoom in CSS pixels per level-0 pixel, from its middle outwards. */
export function tilesIn(viewing: Viewing, area: Area, zoom: number): string[] {
  const { slide, levels, tile_size } = viewing;
  if (!slide.size) return [];
  const halvings = Math.min(levels - 1, Math.max(0, -Math.floor(Math.log2(zoom / LEAST_SHARE))));
  const side = tile_size * 2 ** halvings;
  const span = (from: number, length: number, whole: number) => ({
    from: Math.max(0, Math.floor(from / side)),
    to: Math.ceil(Math.min(from + length, whole) / side),
  });
  const columns = span(area.x, area.width, slide.size.width);
  const rows = span(area.y, area.height, slide.size.height);
  const found: { address: string; distance: number }[] = [];
  for (let x = columns.from; x < columns.to; x++) {
    for (let y = rows.from; y < rows.to; y++) {
      const right = (x + 0.5) * side - (area.x + area.width / 2);
      const down = (y + 0.5) * side - (area.y + area.height / 2);
      const address = `${folderOf(viewing)}/${levels - 1 - halvings}/${x}_${y}.jpg`;
      found.push({ address, distance: Math.hypot(right, down) });
    }
  }
  return found.sort((a, b) => a.distance - b.distance).map(({ address }) => address);
}
