// What the scripts take for granted of the pages that they belong to: an id that they ask for is there, and an element
// is of the kind that they use it as. The pages themselves are tested in tests/browser.

/** Properties of `T` that an element of any kind does not have. */
type Own<T> = Omit<T, keyof HTMLElement | 'value' | 'files' | 'form'>;
/** Properties of an element that the pages' own kind of element replaces. */
type Replaced = 'dataset' | 'children' | 'firstElementChild' | 'lastChild' | 'nextElementSibling' | 'parentElement'
  | 'querySelector' | 'cloneNode';

/** An element of a page. */
type Part = Omit<HTMLElement, Replaced> & Own<HTMLInputElement> & Own<HTMLDetailsElement> & Own<HTMLImageElement> & {
  dataset: Record<string, any>;
  children: HTMLCollectionOf<Part>;
  firstElementChild: Part;
  lastChild: Part;
  nextElementSibling: Part;
  parentElement: Part;
  querySelector(selectors: string): Part;
  cloneNode(): Part;
  // Text, or a number that becomes one.
  value: any;
  files: File[];
  form: Part;
  // Of forms, menus, tables, links, times and canvases.
  elements: any;
  method: string;
  requestSubmit(): void;
  options: HTMLOptionsCollection;
  tBodies: HTMLCollectionOf<HTMLTableSectionElement>;
  href: string;
  hash: string;
  target: string;
  download: string;
  dateTime: string;
  getContext(kind: '2d'): CanvasRenderingContext2D;
};

/** An event, of any kind that is listened to. */
type Happening = Omit<PointerEvent & KeyboardEvent & CustomEvent<any>, 'target' | 'currentTarget'> & {
  target: Part;
  currentTarget: Part;
  submitter: Part | null;
  formData: FormData;
  dataTransfer: DataTransfer;
  lengthComputable: boolean;
  loaded: number;
  total: number;
  data: string;
  ports: MessagePort[];
  persisted: boolean;
  lastEventId: string;
};

interface ParentNode {
  querySelector(selectors: string): Part | null;
  querySelectorAll(selectors: string): NodeListOf<Part>;
}
interface Element {
  closest(selectors: string): Part | null;
  setAttribute(name: string, value: string | number | boolean): void;
}
interface Document {
  getElementById(id: string): Part;
}
interface EventTarget {
  addEventListener(type: string, act: (e: Happening) => any, how?: AddEventListenerOptions | boolean): void;
}
interface PerformanceEntry {
  nextHopProtocol: string;
}

/** Where something is: from the left and from the top, as fractions of the picture or in pixels of a drawing. */
type Point = [number, number];
/** Where a picture lies in a drawing, in pixels, and where a place on it is. */
type Fit = {
  W: number, H: number, w: number, h: number, x: number, y: number, at: (place: Point) => Point, isMirrored?: boolean,
};
/** A line as it is drawn. */
type Line = { a: Point, b: Point, name: string, in_name: string };
/** A zone as it is drawn. */
type Zone = { points: Point[], name: string, exclude: any };
