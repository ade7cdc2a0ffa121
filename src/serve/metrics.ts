// Metrics of the server in Prometheus' text format.
// Who may read them is decided in handler.ts.

import type { ObjectType } from '../storage/store.js';
import type { Quota } from './quota.js';

/** Operations on objects, by the names of rest-server's metrics. */
export type Operation = 'write' | 'read' | 'delete';

interface Labels {
  readonly user: string;
  readonly repo: string;
  readonly type: ObjectType;
}

interface Count {
  readonly labels: string;
  objects: number;
  bytes: number;
}

const HELP: Readonly<Record<Operation, readonly [string, string]>> = {
  write: ['Total number of blobs written', 'Total number of bytes written to blobs'],
  read: ['Total number of blobs read', 'Total number of bytes read from blobs'],
  delete: ['Total number of blobs deleted', 'Total number of bytes of blobs deleted'],
};

/** Counters for Prometheus. Where rest-server has a metric, the name is the same, so that its dashboards and alerts work. */
export class Metrics {
  readonly #objects: Record<Operation, Map<string, Count>> = { write: new Map(), read: new Map(), delete: new Map() };
  /** Seconds since 1970 by repository. */
  readonly #updated = new Map<string, number>();
  /** Responses by status. */
  readonly #answers = new Map<number, number>();
  readonly #started = Date.now() / 1000;

  object(operation: Operation, { user, repo, type }: Labels, bytes: number): void {
    const labels = labelled({ user, repo, type });
    const count = this.#objects[operation].get(labels) ?? { labels, objects: 0, bytes: 0 };
    count.objects++;
    count.bytes += bytes;
    this.#objects[operation].set(labels, count);
    if (operation === 'write') this.#updated.set(labelled({ repo }), Date.now() / 1000);
  }

  answer(status: number): void {
    this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
  }

  /** Returns the metrics in Prometheus' text format. */
  text(quota: Quota, connections: number): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string, samples: Iterable<readonly [string, number]>): void => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [labels, value] of samples) lines.push(`${name}${labels} ${value}`);
    };
    for (const [operation, [objects, bytes]] of Object.entries(HELP)) {
      const counts = [...this.#objects[operation as Operation].values()];
      const name = `rest_server_blob_${operation}`;
      family(
        `${name}_total`,
        'counter',
        objects,
        counts.map((count) => [count.labels, count.objects]),
      );
      family(
        `${name}_bytes_total`,
        'counter',
        bytes,
        counts.map((count) => [count.labels, count.bytes]),
      );
    }
    const updated = "Unix timestamp of repository's last write update";
    family('rest_server_repo_last_update_timestamp', 'gauge', updated, this.#updated);
    const answers = [...this.#answers].map(([status, count]) => [labelled({ status: String(status) }), count] as const);
    family('varve_serve_answers_total', 'counter', 'Answers by their HTTP status', answers);
    family('varve_serve_connections', 'gauge', 'Open connections', [['', connections]]);
    quotaFamilies(quota, family);
    family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes', [
      ['', process.memoryUsage.rss()],
    ]);
    family('process_start_time_seconds', 'gauge', 'Start time since unix epoch in seconds', [['', this.#started]]);
    return `${lines.join('\n')}\n`;
  }
}

type Family = (name: string, type: string, help: string, samples: Iterable<readonly [string, number]>) => void;

function quotaFamilies(quota: Quota, family: Family): void {
  const users = [...quota.usedByUser()];
  const all = quota.limit === undefined ? [] : [{ user: '', used: quota.used, limit: quota.limit }];
  const samples = [...all, ...users].map(({ user, used, limit }) => [labelled({ user }), used, limit] as const);
  if (samples.length === 0) return;
  const used = samples.map(([labels, bytes]) => [labels, bytes] as const);
  const limits = samples.map(([labels, , bytes]) => [labels, bytes] as const);
  family('varve_serve_used_bytes', 'gauge', 'Bytes stored by the user, or by all users', used);
  family('varve_serve_quota_bytes', 'gauge', 'Most bytes that the user, or all users, may store', limits);
}

function labelled(labels: Readonly<Record<string, string>>): string {
  const escaped = (text: string): string =>
    text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)}}`;
}
