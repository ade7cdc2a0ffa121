/** Bytes: a page of WebAssembly memory. It is a multiple of every page of memory and block of a disk. */
const PAGE = 65_536;
/** Bytes. Direct I/O (O_DIRECT) needs memory, offset and length to be multiples of this. */
export const BLOCK = 4096;

/** The part of the global that is used here: its types come with TypeScript's DOM library only. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer };
};

/** Bytes of `length` rounded up to whole pages. */
export const wholePages = (length: number): number => Math.ceil(length / PAGE) * PAGE;

/** Shared memory that begins at a whole page, as WebAssembly's memory does and other memory does not. */
export function sharedPages(length: number): SharedArrayBuffer {
  const pages = Math.ceil(length / PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
