// The state that all steps of a check or a scrub share: options, findings, progress.
// The steps themselves are in the other files of this directory.
import { Findings } from './findings.js';
import type { CheckProgress, RunOptions } from './options.js';

/** What all steps of one check or scrub share. */
export interface CheckRun<Options extends RunOptions = RunOptions> {
  readonly options: Options;
  /** Each step adds what it finds wrong. */
  readonly findings: Findings;
  readonly progress: CheckProgress;
}

export function startRun<Options extends RunOptions>(options: Options, maxFiles: number): CheckRun<Options> {
  const findings = new Findings(maxFiles, options.onFinding);
  const progress: CheckProgress = { phase: 'objects', done: 0, total: 0, bytes: 0, totalBytes: 0, errors: 0 };
  options.onStart?.(() => ({ ...progress, errors: findings.count }));
  return { options, findings, progress };
}
