import type { Finding } from '../../../check/findings.js';
import type { HealedPack } from '../../../check/healer.js';
import type { CheckOptions, CheckProgress, CheckResult } from '../../../check/options.js';
import type { ScrubResult } from '../../../check/scrub.js';
import { shortId } from '../../../repository/snapshots/snapshots.js';
import { objectPath } from '../../../storage/store.js';
import type { Context } from '../../program/shell.js';
import { atIntervals, estimateText, Speed, showProgress } from '../../terminal/progress.js';
import { lossyText, printable } from '../../text/escape.js';
import { counted, formatBytes, formatPercent, formatSeconds } from '../../text/units.js';

/** How many snapshots the report of a finding names. */
const SNAPSHOTS_NAMED = 10;
/** How many unreadable objects the report names: usually all have the same cause. */
const UNREADABLE_NAMED = 20;

const PHASES: Record<CheckProgress['phase'], string> = {
  healing: 'packs, to heal them',
  objects: 'snapshots, keys and index',
  packs: 'directories of packs',
  data: 'data',
  trees: 'trees of snapshots',
};

/** Reports the progress and findings of a check: errors on standard error, in text or in restic's JSON. */
export class CheckReport {
  readonly #context: Context;
  readonly #repairs: boolean;
  #findings: Finding[] = [];
  readonly #healed: HealedPack[] = [];
  readonly #speed = new Speed();
  #printed = false;
  #stop: () => void = () => undefined;

  /** @param repairs whether the check heals damaged packs */
  constructor(context: Context, repairs: boolean) {
    this.#context = context;
    this.#repairs = repairs;
  }

  /** The callbacks for a check or a scrub. */
  get options(): CheckOptions {
    const { signal, output } = this.#context;
    return {
      signal,
      repair: this.#repairs,
      onStart: (progress) => this.#start(progress),
      onFinding: (finding) => void this.#findings.push(finding),
      onHealed: (pack) => void this.#healed.push(pack),
      ...(output.verbosity >= 2 && { maxFiles: Infinity }),
    };
  }

  get errors(): number {
    return this.#findings.length;
  }

  get #unreadable(): number {
    return this.#findings.filter(({ unreadable }) => unreadable).length;
  }

  stop(): void {
    this.#stop();
    this.#context.output.status('');
  }

  finish(result: CheckResult): void {
    this.stop();
    // The check drops findings about objects that a prune removed at the same time.
    this.#findings = [...result.findings];
    this.printFindings();
    const { output } = this.#context;
    if (output.json) {
      const { brokenPacks, suggestRepairIndex, suggestPrune, vouched } = result;
      this.#summary(brokenPacks, suggestRepairIndex, suggestPrune, vouched);
      return;
    }
    this.#printOrphans(result);
    const { condemned, revoked, unopened, vouched, snapshots, packs, read } = result;
    if (condemned > 0) output.message(`left for a later \`varve prune\` to delete: ${counted(condemned, 'pack')}`);
    if (revoked > 0) output.message(`skipped ${counted(revoked, 'snapshot')} of removed keys`);
    if (vouched > 0)
      output.message(`backups with any key can now rely on ${counted(vouched, 'pack')} that this check has read`);
    if (unopened > 0)
      output.message(
        `of ${counted(unopened, 'pack')} of file contents only the hashes were compared: this key cannot read contents, a full key can`,
      );
    const data = read.count > 0 ? `; read ${formatBytes(read.bytes)} of ${formatBytes(packs.bytes)}` : '';
    this.#verdict(`${counted(snapshots, 'snapshot')}, ${counted(packs.count, 'pack')}${data}`);
  }

  finishScrub({ findings, objects }: ScrubResult): void {
    this.stop();
    this.printFindings();
    const broken = findings.filter(({ subject }) => subject === 'data').map(({ name }) => name);
    if (this.#context.output.json) this.#summary(broken, false, false);
    else this.#verdict(`${counted(objects.count, 'object')}, ${formatBytes(objects.bytes)}`);
  }

  /** Prints what was healed and found so far, only once. */
  printFindings(): void {
    if (this.#printed) return;
    this.#printed = true;
    for (const pack of this.#healed) this.#printHealed(pack);
    const { output } = this.#context;
    let unreadable = 0;
    for (const finding of this.#findings) {
      if (finding.unreadable) unreadable++;
      if (output.json) this.#findingJson(finding);
      else if (!finding.unreadable || unreadable <= UNREADABLE_NAMED || output.verbosity >= 2)
        this.#findingText(finding);
      else if (unreadable === UNREADABLE_NAMED + 1)
        output.error(`error: ${this.#unreadable - UNREADABLE_NAMED} more objects cannot be read (-v names all)`);
    }
  }

  /** On standard error even with --quiet: a disk that changes stored data is worth a mail. */
  #printHealed({ name, damaged, shards }: HealedPack): void {
    const { output } = this.#context;
    const item = objectPath('data', name);
    const message = `was damaged, and is healed (${damaged} of ${counted(shards, 'shard')} repaired)`;
    if (output.json) output.errorObject({ message_type: 'warning', message, item });
    else output.error(`warning: ${item}: ${message}`);
  }

  #findingText(finding: Finding): void {
    const { output } = this.#context;
    output.error(`error: ${finding.message}`);
    const { snapshots, files, fileCount } = finding;
    const short = [...snapshots].slice(0, SNAPSHOTS_NAMED).map(shortId);
    if (snapshots.size > short.length) short.push('…');
    if (snapshots.size > 0)
      output.error(
        `  touches ${counted(snapshots.size, 'snapshot')} (${short.join(', ')})${fileCount > 0 ? `; of files and directories ${fileCount}:` : ''}`,
      );
    for (const file of files) output.error(`    ${printable(file)}`);
    if (fileCount > files.length) output.error(`    and ${fileCount - files.length} more (-v names all)`);
    output.error(`  ${finding.advice}`);
  }

  #findingJson({ message, object, snapshots, files, fileCount, healable, unreadable, advice }: Finding): void {
    this.#context.output.errorObject({
      message_type: 'error',
      message,
      object,
      snapshots: [...snapshots],
      files: files.map(lossyText),
      total_files: fileCount,
      healable,
      ...(unreadable && { unreadable }),
      advice,
    });
  }

  #printOrphans({ orphans, backupRunning, indexUnread, suggestRepairIndex }: CheckResult): void {
    // Packs look like orphans when the index object that lists them could not be read.
    if (orphans.count === 0 || indexUnread) return;
    this.#context.output.message(
      `${counted(orphans.count, 'pack')} (${formatBytes(orphans.bytes)}) that no index object lists: ${whyOrphans(backupRunning, suggestRepairIndex)}`,
    );
  }

  #verdict(what: string): void {
    const { output } = this.#context;
    const healed = this.#healed.length > 0 ? `; ${counted(this.#healed.length, 'pack')} healed` : '';
    const damaged = this.errors - this.#unreadable;
    const verdicts = [
      ...(damaged > 0 ? [`the repository has ${counted(damaged, 'error')}`] : []),
      ...(this.#unreadable > 0 ? [`${counted(this.#unreadable, 'object')} could not be read, and may be sound`] : []),
    ];
    if (verdicts.length === 0)
      output.message(`no errors ${healed === '' ? 'were found' : 'remain'} (${what}${healed})`);
    else output.error(`Fatal: ${verdicts.join('; ')} (${what}${healed})`);
  }

  #summary(broken_packs: readonly string[], suggest_repair_index: boolean, suggest_prune: boolean, vouched = 0): void {
    this.#context.output.object({
      message_type: 'summary',
      num_errors: this.errors,
      ...(this.#unreadable > 0 && { num_unreadable: this.#unreadable }),
      broken_packs,
      ...(this.#repairs && { healed_packs: this.#healed.map(({ name }) => name) }),
      suggest_repair_index,
      suggest_prune,
      ...(vouched > 0 && { vouched_packs: vouched }),
    });
  }

  #start(progress: () => Readonly<CheckProgress>): void {
    // restic's check prints no progress in JSON.
    if (!this.#context.output.isTerminal || this.#context.output.json) return;
    this.#stop = atIntervals(this.#context, (seconds) => this.#printProgress(seconds, progress()));
  }

  #printProgress(seconds: number, { phase, done, total, bytes, totalBytes, errors }: Readonly<CheckProgress>): void {
    const speed = this.#speed.add(seconds, bytes);
    const parts = [
      `[${formatSeconds(seconds)}] ${PHASES[phase]}`,
      ...(total > 0 ? [`${done} / ${total}`] : []),
      ...(totalBytes > 0
        ? [
            formatPercent(bytes, totalBytes),
            `${formatBytes(bytes)} / ${formatBytes(totalBytes)}`,
            `${formatBytes(speed)}/s`,
          ]
        : []),
      ...(totalBytes > 0 ? estimateText(this.#speed.estimate(totalBytes - bytes)) : []),
      ...(errors > 0 ? [counted(errors, 'error')] : []),
    ];
    showProgress(this.#context, parts.join('  '));
  }
}

function whyOrphans(backupRunning: boolean, isIndexLacking: boolean): string {
  if (isIndexLacking) return 'a part of the index is lost; `varve repair index` lists them again';
  if (backupRunning) return 'a backup is running, and may list them soon';
  return 'an interrupted backup left them; the next backup uses them, or `varve prune` removes them';
}
