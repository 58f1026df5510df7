/** A slide in a window. The only file that knows OpenSeadragon. */

import OpenSeadragon from "openseadragon";
import type { Viewing } from "../api/client";
import { LARGEST_ZOOM } from "./magnification";
import { letGo, takeHeld } from "./held";
import { Neighbours } from "./neighbours";
import { folderOf, LEAST_SHARE, tilesIn } from "./tiles";
import { turned, type View } from "./view";

export type Watcher = {
  /** The view moved, also in the middle of a movement. */
  moved(view: View): void;
  /** The view came to rest. */
  rested(view: View): void;
  /** Whether every tile of the view is there at the sharpness the zoom asks for. */
  sharp(complete: boolean): void;
  /** Tiles that could not be had so far; told each time that changes. */
  missing(tiles: number): void;
};

export type Surroundings = {
  stage: HTMLElement;
  minimap: HTMLElement;
  /** Shown first; the whole slide when null. */
  start: View | null;
  /** The smallest zoom that must be reachable, in CSS pixels per level-0 pixel. */
  smallestZoom: number;
};

/** Seconds a movement takes: long enough to follow with the eye, too short to wait for. */
const MOVEMENT_S = 0.25;

/** Share of the window an arrow key moves; one field leaves a tenth of overlap. */
const STEP = 0.12;
const FIELD = 0.9;

/**
 * Requests handed to the browser at a time: enough for its six connections to follow on each other. Those of the first
 * screen are on their way already (`early.ts`) and drawn in the fewest frames when taken all at once.
 */
const REQUESTS = 12;

/** Share of the window around it that is fetched once the view is sharp: half a window is a usual step. */
const AROUND = 0.5;
/** Milliseconds of rest before that. */
const REST_MS = 150;

/** Tiles kept decoded: a twenty-fourth of the computer's memory. Browsers tell 0.25 to 8 GB, some nothing. */
function tilesKept(side: number): number {
  const gigabytes = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  return Math.max(200, Math.floor((gigabytes * 2 ** 30) / 24 / (4 * side * side)));
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

// OpenSeadragon writes a style of its own into the page, which the content security policy stops, unless it finds
// it there: an element of that name that is none of HTML's. Without it, fingers see the focus as keys do.
const written = document.createElementNS("urn:samsyn:nothing", "style");
written.setAttribute("data-openseadragon-mobile-css", "");
document.head.append(written);

class Tiles extends OpenSeadragon.TileSource {
  readonly #folder: string;

  constructor(viewing: Viewing) {
    const size = viewing.slide.size;
    if (!size) throw new Error("A slide without a size was opened for viewing.");
    super({
      width: size.width,
      height: size.height,
      tileSize: viewing.tile_size,
      tileOverlap: 0,
      minLevel: 0,
      maxLevel: viewing.levels - 1,
    });
    this.#folder = folderOf(viewing);
  }

  override getTileUrl(level: number, column: number, row: number): string {
    return `${this.#folder}/${level}/${column}_${row}.jpg`;
  }

  /** What was asked for early is drawn, not asked for again. */
  override downloadTileStart(context: OpenSeadragon.ImageJob): void {
    const image = takeHeld(context.src);
    if (image === undefined) {
      super.downloadTileStart(context);
      return;
    }
    context.userData["imageRequest"] = image;
    const finish = (): void => context.finish(image, null, "image");
    if (image.complete) {
      finish();
      return;
    }
    image.onload = finish;
    image.onerror = () => context.fail("A tile that was asked for early did not come.", null);
  }
}

/**
 * Put the edges of a tile on whole pixels of the screen, neighbours on the same ones.
 *
 * OpenSeadragon draws tiles without overlap one pixel too large, to hide the seams between them: 256 px
 * stretched over 257 are smeared everywhere but at the corners. With edges on whole pixels there is no
 * seam to hide, and at full resolution a pixel of the file is a pixel of the screen. On a slide turned by
 * anything but a quarter no edge lies on whole pixels, and the seams must be hidden after all.
 */
function drawOnWholePixels({ context, tile, eventSource }: OpenSeadragon.TileDrawingEvent): void {
  if (tile.position === null || tile.size === null) return;
  if (eventSource.viewport.getRotation(true) % 90 !== 0) return;
  const ratio = OpenSeadragon.pixelDensityRatio;
  const [scaleX, moveX] = whole(tile.position.x * ratio, tile.size.x * ratio, ratio);
  const [scaleY, moveY] = whole(tile.position.y * ratio, tile.size.y * ratio, ratio);
  context.transform(scaleX, 0, 0, scaleY, moveX, moveY);
}

/** Scale and offset that bring a stretch of screen, `excess` too long, to whole pixels. */
function whole(from: number, length: number, excess: number): [number, number] {
  // Neighbours compute their common edge in two ways; a thousandth apart is the same edge.
  const nearest = (edge: number): number => Math.round(Math.round(edge * 1000) / 1000);
  const start = nearest(from);
  const scale = Math.max(1, nearest(from + length - excess) - start) / length;
  return [scale, start - from * scale];
}

export class Microscope {
  readonly #viewer: OpenSeadragon.Viewer;
  readonly #watcher: Watcher;
  readonly #smallestZoom: number;
  readonly #missing = new Set<OpenSeadragon.Tile>();
  readonly #viewing: Viewing;
  readonly #neighbours = new Neighbours();
  #resting: ReturnType<typeof setTimeout> | undefined;

  constructor(viewing: Viewing, { stage, minimap, start, smallestZoom }: Surroundings, watcher: Watcher) {
    this.#watcher = watcher;
    this.#smallestZoom = smallestZoom;
    this.#viewing = viewing;
    const viewer = OpenSeadragon({
      element: stage,
      // Never WebGL: 6.1.1 finds a tile's texture by truncating an interpolated number, and where a
      // renderer interpolates 5 as 4.9999, tissue from elsewhere appears in the tile's place. Seen with
      // SwiftShader on turned slides; the canvas also shows equal pixels on every computer.
      drawer: "canvas",
      tileSources: new Tiles(viewing),
      // As <img>, so that embedded colour profiles apply.
      loadTilesWithAjax: false,
      tileRetryMax: 2,
      tileRetryDelay: 1500,
      // Straight to the sharp level, never through a series of blurred ones.
      immediateRender: true,
      blendTime: 0,
      imageSmoothingEnabled: true,
      maxZoomPixelRatio: LARGEST_ZOOM,
      visibilityRatio: 0.2,
      preserveImageSizeOnResize: true,
      animationTime: calm.matches ? 0 : MOVEMENT_S,
      springStiffness: 8,
      zoomPerScroll: 1.25,
      minPixelRatio: LEAST_SHARE,
      // All that a view needs in its first frame, nearest to the middle first: on a slow computer every
      // further frame is time in which the line idles.
      maxTilesPerFrame: 100,
      imageLoaderLimit: REQUESTS,
      maxImageCacheCount: tilesKept(viewing.tile_size),
      tabIndex: -1,
      showNavigationControl: false,
      showNavigator: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true, flickEnabled: false },
      gestureSettingsTouch: { pinchRotate: false, flickEnabled: true },
      gestureSettingsPen: { clickToZoom: false, dblClickToZoom: true },
    });
    this.#viewer = viewer;

    viewer.addHandler("open", () => {
      this.#limit();
      if (start === null) viewer.viewport.goHome(true);
      else this.show(start);
      viewer.imageLoader.jobLimit = Math.max(REQUESTS, this.#tilesAround(0).length);
      viewer.world.getItemAt(0).addHandler("fully-loaded-change", (event) => {
        watcher.sharp(event.fullyLoaded);
        // A second viewer to OpenSeadragon: what it costs is spent when the slide is there.
        if (event.fullyLoaded) this.#showMinimap(minimap);
        viewer.imageLoader.jobLimit = REQUESTS;
        this.#rest();
      });
      // The first tiles at once, not with the next frame.
      viewer.world.update(true);
      this.#tell();
      watcher.rested(this.view);
    });
    viewer.addHandler("tile-drawing", drawOnWholePixels);
    viewer.addHandler("resize", () => this.#limit());
    viewer.addHandler("viewport-change", () => this.#tell());
    viewer.addHandler("animation", () => this.#tell());
    // What was asked for but not begun may lie outside by now; what is still wanted is asked for anew.
    const turnAway = (): void => {
      viewer.imageLoader.clear();
      this.#neighbours.stop();
      clearTimeout(this.#resting);
    };
    viewer.addHandler("pan", turnAway);
    viewer.addHandler("zoom", turnAway);
    viewer.addHandler("rotate", () => this.#tell());
    viewer.addHandler("animation-finish", () => {
      this.#tell();
      watcher.rested(this.view);
      this.#rest();
    });
    viewer.addHandler("tile-load-failed", ({ tile }) => {
      this.#missing.add(tile);
      watcher.missing(this.#missing.size);
    });
    viewer.addHandler("tile-loaded", ({ tile }) => {
      this.#neighbours.know(tile.getUrl());
      if (this.#missing.delete(tile)) watcher.missing(this.#missing.size);
    });
    // Keys are the page's business: one list of shortcuts, one switch for them.
    viewer.addHandler("canvas-key", (event) => {
      event.preventDefaultAction = true;
    });
  }

  get #image(): OpenSeadragon.TiledImage {
    return this.#viewer.world.getItemAt(0);
  }

  get #open(): boolean {
    return this.#viewer.world.getItemCount() > 0;
  }

  get view(): View {
    const { viewport } = this.#viewer;
    const centre = this.#image.viewportToImageCoordinates(viewport.getCenter(true));
    return {
      x: centre.x,
      y: centre.y,
      zoom: this.#image.viewportToImageZoom(viewport.getZoom(true)),
      rotation: turned(viewport.getRotation(true)),
    };
  }

  /** At once: a movement across a whole slide tells nothing. */
  show(view: View): void {
    if (!this.#open) return;
    const { viewport } = this.#viewer;
    this.#turnTo(view.rotation, true);
    viewport.zoomTo(this.#image.imageToViewportZoom(view.zoom), undefined, true);
    viewport.panTo(this.#image.imageToViewportCoordinates(view.x, view.y), true);
    viewport.applyConstraints(true);
  }

  /** To a zoom in CSS pixels per level-0 pixel, around the middle of the window. */
  zoomTo(zoom: number): void {
    if (!this.#open) return;
    this.#viewer.viewport.zoomTo(this.#image.imageToViewportZoom(zoom), undefined, calm.matches);
    this.#viewer.viewport.applyConstraints(calm.matches);
  }

  zoomBy(factor: number): void {
    if (!this.#open) return;
    this.#viewer.viewport.zoomBy(factor, undefined, calm.matches);
    this.#viewer.viewport.applyConstraints(calm.matches);
  }

  fit(): void {
    if (this.#open) this.#viewer.viewport.goHome(calm.matches);
  }

  /** By a step, or by a whole field of view; right and down are positive. */
  pan(right: -1 | 0 | 1, down: -1 | 0 | 1, by: "step" | "field"): void {
    if (!this.#open) return;
    const { viewport } = this.#viewer;
    const window = viewport.getContainerSize();
    const share = by === "step" ? STEP : FIELD;
    const pixels = new OpenSeadragon.Point(right * window.x * share, down * window.y * share);
    viewport.panBy(viewport.deltaPointsFromPixels(pixels), calm.matches);
    viewport.applyConstraints(calm.matches);
  }

  /** Clockwise, in degrees. */
  rotateBy(degrees: number): void {
    if (this.#open) this.#viewer.viewport.rotateBy(degrees, undefined, calm.matches);
  }

  rotateTo(degrees: number): void {
    if (this.#open) this.#turnTo(degrees, calm.matches);
  }

  /** Ask anew for the tiles that failed. */
  fetchAgain(): void {
    if (!this.#open || this.#missing.size === 0) return;
    for (const tile of this.#missing) tile.exists = true;
    this.#missing.clear();
    this.#watcher.sharp(false);
    this.#watcher.missing(0);
    // Without a change OpenSeadragon does not look for tiles anew; an absent clip counts as one.
    this.#image.setClip(null);
  }

  destroy(): void {
    clearTimeout(this.#resting);
    this.#neighbours.stop();
    letGo();
    this.#viewer.destroy();
  }

  #showMinimap(element: HTMLElement): void {
    const viewer = this.#viewer as OpenSeadragon.Viewer & { navigator?: OpenSeadragon.Navigator };
    if (viewer.navigator) return;
    viewer.navigator = new OpenSeadragon.Navigator({
      viewer,
      element,
      drawer: "canvas",
      loadTilesWithAjax: false,
      animationTime: calm.matches ? 0 : MOVEMENT_S,
      // Upright at any rotation: it tells where on the glass one is.
      navigatorRotate: false,
      background: "transparent",
      opacity: 1,
      borderColor: "transparent",
      displayRegionColor: "#4b3f9e",
    } as OpenSeadragon.Options);
    const shown = { tileSource: this.#image.source, originalTiledImage: this.#image };
    viewer.navigator.addTiledImage(shown);
  }

  /** By the shorter way round. */
  #turnTo(degrees: number, immediately: boolean): void {
    const { viewport } = this.#viewer;
    const from = viewport.getRotation(false);
    const turn = turned(degrees - from + 180) - 180;
    viewport.rotateTo(from + turn, undefined, immediately);
  }

  /** Fetch what lies around, once everything in view is there and the view stays. */
  #rest(): void {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      if (this.#open && this.#image.getFullyLoaded()) this.#neighbours.fetch(this.#tilesAround(AROUND));
    }, REST_MS);
  }

  /** Addresses of the tiles in view, and of those up to a share of the window beyond, from its middle outwards. */
  #tilesAround(share: number): string[] {
    const area = this.#viewer.viewport.getBounds();
    area.x -= area.width * share;
    area.y -= area.height * share;
    area.width *= 1 + 2 * share;
    area.height *= 1 + 2 * share;
    const within = this.#image.viewportToImageRectangle(area.getBoundingBox());
    return tilesIn(this.#viewing, within, this.view.zoom);
  }

  #limit(): void {
    if (!this.#open) return;
    const { viewport } = this.#viewer;
    const zoom = Math.min(
      viewport.getHomeZoom() * 0.5,
      this.#image.imageToViewportZoom(this.#smallestZoom),
    );
    (viewport as { minZoomLevel?: number | null }).minZoomLevel = zoom;
  }

  #tell(): void {
    if (this.#open) this.#watcher.moved(this.view);
  }
}
