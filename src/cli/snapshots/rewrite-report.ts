import type { RewriteEvent, RewriteResult } from '../../repository/rewriting/rewrite-snapshots.js';
import { shortId } from '../../repository/snapshots/snapshots.js';
import type { Output } from '../terminal/output.js';
import { counted } from '../text/units.js';

const FAILED = 1;

/** Reports the result of rewriting snapshots, and derives the exit code. */
export class RewriteReport {
  readonly #output: Output;
  readonly #operation: string;
  readonly #dryRun: boolean;
  readonly #forget: boolean;

  /** @param operation as error messages call it */
  constructor(output: Output, operation: string, { dryRun, forget }: { dryRun: boolean; forget: boolean }) {
    this.#output = output;
    this.#operation = operation;
    this.#dryRun = dryRun;
    this.#forget = forget;
  }

  event(event: RewriteEvent): void {
    const { id } = event.stored;
    const output = this.#output;
    if (event.kind === 'unchanged') output.message(`snapshot ${shortId(id)}: nothing to change`);
    else if (event.kind === 'failed') this.#failed(id, event.error.message);
    else if (output.json) {
      const newId = event.id === undefined ? {} : { new_snapshot_id: event.id };
      output.object({ message_type: 'changed', old_snapshot_id: id, ...newId });
    } else output.message(`snapshot ${shortId(id)} ${this.#become(event.id)}`);
  }

  finish({ changed, failed }: RewriteResult): number {
    const output = this.#output;
    if (output.json) output.object({ message_type: 'summary', changed_snapshots: changed, dry_run: this.#dryRun });
    else if (changed === 0) output.message('no snapshots were modified');
    else output.message(`${this.#dryRun ? 'would modify' : 'modified'} ${counted(changed, 'snapshot')}`);
    return failed > 0 ? FAILED : 0;
  }

  #become(newId: string | undefined): string {
    if (newId === undefined) return this.#forget ? 'would be replaced' : 'would get a new snapshot beside it';
    return this.#forget ? `is now ${shortId(newId)}` : `saved again as ${shortId(newId)}`;
  }

  #failed(id: string, message: string): void {
    const output = this.#output;
    if (output.json)
      output.errorObject({ message_type: 'error', error: { message }, during: this.#operation, item: id });
    else output.error(`error: snapshot ${shortId(id)}: ${message}`);
  }
}
