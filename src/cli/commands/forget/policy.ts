// Turns the --keep options into a policy.
// retention/policy.ts applies it.
import { VarveError } from '../../../errors/errors.js';
import type { Policy } from '../../../retention/policy.js';
import { parseSpan, type Span } from '../../../retention/span.js';

/** The --keep options as given. */
export interface PolicyFlags {
  readonly keepLast?: string;
  readonly keepHourly?: string;
  readonly keepDaily?: string;
  readonly keepWeekly?: string;
  readonly keepMonthly?: string;
  readonly keepYearly?: string;
  readonly keepWithin?: string;
  readonly keepWithinHourly?: string;
  readonly keepWithinDaily?: string;
  readonly keepWithinWeekly?: string;
  readonly keepWithinMonthly?: string;
  readonly keepWithinYearly?: string;
  readonly keepTag?: readonly string[];
}

/** Whether any --keep option is given. */
export function hasPolicy(flags: PolicyFlags): boolean {
  return rulesIn(flags).length > 0;
}

function rulesIn(flags: PolicyFlags): string[] {
  return Object.entries(flags).flatMap(([name, value]) => (name.startsWith('keep') && value !== undefined ? name : []));
}

/** @throws VarveError `usage` for a single empty tag, which an unset shell variable leaves */
export function refuseEmptyTag(flags: PolicyFlags): void {
  if (rulesIn(flags).length === 1 && flags.keepTag?.every((tag) => tag === '') === true)
    throw new VarveError(
      'usage',
      "--keep-tag '' alone keeps only snapshots without tags; is a variable not set? To mean it, give another --keep-… option too",
    );
}

/** @throws VarveError `usage` for an invalid policy */
export function policyFrom(flags: PolicyFlags): Policy {
  return {
    counts: {
      ...count('last', flags.keepLast),
      ...count('hourly', flags.keepHourly),
      ...count('daily', flags.keepDaily),
      ...count('weekly', flags.keepWeekly),
      ...count('monthly', flags.keepMonthly),
      ...count('yearly', flags.keepYearly),
    },
    within: flags.keepWithin === undefined ? undefined : parseSpan(flags.keepWithin, '--keep-within'),
    withinEach: {
      ...within('hourly', flags.keepWithinHourly),
      ...within('daily', flags.keepWithinDaily),
      ...within('weekly', flags.keepWithinWeekly),
      ...within('monthly', flags.keepWithinMonthly),
      ...within('yearly', flags.keepWithinYearly),
    },
    tags: flags.keepTag ?? [],
  };
}

function count(what: string, text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  if (text === 'unlimited') return { [what]: Number.POSITIVE_INFINITY };
  if (/^\d+$/.test(text)) return { [what]: Number(text) };
  if (/^-\d+$/.test(text))
    throw new VarveError('usage', `--keep-${what}: "${text}" is negative; "unlimited" keeps all`);
  throw new VarveError('usage', `--keep-${what}: "${text}" is neither a number nor "unlimited"`);
}

function within(period: string, text: string | undefined): Record<string, Span> {
  return text === undefined ? {} : { [period]: parseSpan(text, `--keep-within-${period}`) };
}
