// Subsets of packs for --read-data-subset: parsing and choosing.
// content.ts reads the chosen packs.
import { VarveError } from '../errors/errors.js';

/** Selects the packs to read whole. */
export type Subset =
  | { readonly kind: 'all' }
  /** Part n of t. A pack's name determines its part, so t runs read everything. */
  | { readonly kind: 'part'; readonly part: number; readonly parts: number }
  /** Random packs: a share from 0 to 1 of all, or a number of bytes. */
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'bytes'; readonly bytes: number };

export const ALL: Subset = { kind: 'all' };

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/**
 * `n/t`, `x%`, or a size such as `500M`.
 *
 * @throws VarveError `usage`
 */
export function parseSubset(text: string): Subset {
  const [, part, parts] = /^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? [];
  if (part !== undefined && Number(part) >= 1 && Number(part) <= Number(parts))
    return { kind: 'part', part: Number(part), parts: Number(parts) };
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  if (Number(percent) > 0 && Number(percent) <= 100) return { kind: 'share', share: Number(percent) / 100 };
  const [, size, unit = ''] = /^(\d+)([KMGT]?)(?:iB|B)?$/i.exec(text) ?? [];
  if (Number(size) > 0) return { kind: 'bytes', bytes: Number(size) * (UNITS[unit.toUpperCase()] as number) };
  throw new VarveError(
    'usage',
    `--read-data-subset: "${text}" is no part such as 2/4, no share such as 2.5% and no size such as 500M`,
  );
}

/** The packs of a subset. @param random from 0 to 1 */
export function choosePacks<Pack extends { readonly name: string; readonly size: number }>(
  packs: readonly Pack[],
  subset: Subset | undefined,
  random: () => number,
): readonly Pack[] {
  if (subset === undefined) return [];
  if (subset.kind === 'all') return packs;
  if (subset.kind === 'part') return packs.filter(({ name }) => partOf(name, subset.parts) === subset.part);
  const total = packs.reduce((sum, { size }) => sum + size, 0);
  const wanted = subset.kind === 'share' ? total * subset.share : subset.bytes;
  const chosen: Pack[] = [];
  let bytes = 0;
  for (const pack of shuffled(packs, random)) {
    if (bytes >= wanted) break;
    chosen.push(pack);
    bytes += pack.size;
  }
  return chosen;
}

function partOf(name: string, parts: number): number {
  return (Number.parseInt(name.slice(0, 8), 16) % parts) + 1;
}

/** Fisher and Yates. */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const out = [...items];
  for (let left = out.length; left > 1; left--) {
    const at = Math.floor(random() * left);
    const last = out[left - 1] as Item;
    out[left - 1] = out[at] as Item;
    out[at] = last;
  }
  return out;
}
