import { VarveError } from '../../errors/errors.js';
import type { Policy } from '../../retention/policy.js';
import { parseSpan, type Span } from '../../retention/span.js';

/** The options that say what is kept, as they are given. */
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

/** Whether any of them is given. */
export function hasPolicy(flags: PolicyFlags): boolean {
  return Object.entries(flags).some(([name, value]) => name.startsWith('keep') && value !== undefined);
}

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
  if (text === 'unlimited' || text === '-1') return { [what]: Number.POSITIVE_INFINITY };
  if (/^\d+$/.test(text)) return { [what]: Number(text) };
  throw new VarveError('usage', `--keep-${what}: "${text}" is neither a number nor "unlimited"`);
}

function within(period: string, text: string | undefined): Record<string, Span> {
  return text === undefined ? {} : { [period]: parseSpan(text, `--keep-within-${period}`) };
}
