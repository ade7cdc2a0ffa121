import { VarveError } from '../errors/errors.js';

/**
 * Refuses `-o PROVIDER.NAME=…` with an unknown name, which would otherwise silently do nothing.
 *
 * @throws VarveError `usage`
 */
export function refuseUnknown(extended: ReadonlyMap<string, string>, provider: string, names: readonly string[]): void {
  const known = names.map((name) => `${provider}.${name}`);
  for (const given of extended.keys())
    if (given.startsWith(`${provider}.`) && !known.includes(given))
      throw new VarveError('usage', `-o ${given}: no such option; the options are ${known.join(', ')}`);
}
