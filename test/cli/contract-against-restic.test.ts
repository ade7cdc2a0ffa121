/** What scripts rely on, of varve and of restic: exit codes, lines that they look for, and keys of JSON. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ResticRepository } from '../retention/restic-repository.js';
import { missingRestic, PEERS } from '../servers/peer-restic.js';
import { Playground } from './varve.js';

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
type Run = (args: readonly string[]) => Ran | Promise<Ran>;

interface Point {
  readonly name: string;
  readonly args: readonly string[];
  readonly code: number;
  /** The first restic that does so: 0.N. */
  readonly since?: number;
  readonly holds?: (ran: Ran) => void;
}

const json = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? '') as Record<string, unknown>;
const last = (text: string): Record<string, unknown> => json(text.trimEnd().split('\n').at(-1));
const has = (value: unknown, ...keys: string[]): void => {
  for (const key of keys) assert.ok(key in (value as object), `${key} is missing in ${JSON.stringify(value)}`);
};

const SUMMARY = [
  'files_new',
  'files_changed',
  'files_unmodified',
  'dirs_new',
  'dirs_changed',
  'dirs_unmodified',
  'data_blobs',
  'tree_blobs',
  'data_added',
  'total_files_processed',
  'total_bytes_processed',
  'total_duration',
  'snapshot_id',
];

const POINTS: readonly Point[] = [
  { name: 'ls of a path where nothing is', args: ['ls', 'latest', '/none'], code: 0 },
  {
    name: 'ls of a folder',
    args: ['ls', '-q', 'latest', '/sub'],
    code: 0,
    holds: ({ out }) => assert.equal(out, '/sub\n/sub/deep\n/sub/note\n'),
  },
  {
    name: 'ls sorted',
    args: ['ls', '-q', '--sort', 'size', '--reverse', 'latest'],
    code: 0,
    since: 18,
    holds: ({ out }) => assert.equal(out, '/sub/note\n/file\n/sub/deep\n/sub\n'),
  },
  {
    name: 'ls for ncdu',
    args: ['ls', '--ncdu', 'latest'],
    code: 0,
    since: 17,
    holds: ({ out }) => {
      const [major, minor, , [top]] = JSON.parse(out) as [number, number, unknown, { name: string }[]];
      assert.deepEqual([major, minor, top?.name], [1, 2, '/']);
    },
  },
  {
    name: 'a dry run of a backup',
    args: ['backup', '--json', '--dry-run', '--force', 'file', 'sub'],
    code: 0,
    holds: ({ out }) => {
      has(last(out), ...SUMMARY, 'dry_run');
      assert.equal(last(out)['dry_run'], true);
    },
  },
  {
    name: 'forget of a group that is not there',
    args: ['forget', '--json', '--keep-last', '5', '--host', 'none'],
    code: 0,
    holds: ({ out }) => assert.equal(out, ''),
  },
  {
    name: 'prune',
    args: ['prune', '--dry-run'],
    code: 0,
    holds: ({ out }) => assert.match(out, /^collecting packs for deletion and repacking$/m),
  },
  {
    name: 'a check of the selected snapshots',
    args: ['check', '--json', '--tag', 'none'],
    code: 0,
    since: 19,
    holds: ({ out }) =>
      has(last(out), 'message_type', 'num_errors', 'broken_packs', 'suggest_repair_index', 'suggest_prune'),
  },
  {
    name: 'the list of keys',
    args: ['key', 'list', '--json'],
    code: 0,
    since: 18,
    holds: ({ out }) => {
      const [key] = JSON.parse(out) as Record<string, unknown>[];
      has(key, 'current', 'id', 'userName', 'hostName', 'created');
      assert.match(String(key?.['id']), /^[0-9a-f]{64}$/);
    },
  },
  { name: 'help of an unknown command', args: ['nosuch', '--help'], code: 1 },
  {
    name: 'options that are false',
    args: ['snapshots', '--json=false', '--quiet=false', '--verbose=1'],
    code: 0,
    holds: ({ out }) => assert.match(out, /^ID/m),
  },
  { name: 'an option that is neither true nor false', args: ['snapshots', '--json=foo'], code: 1 },
  { name: 'the option of 0.17 to verify less', args: ['snapshots', '--no-extra-verify'], code: 0, since: 17 },
  {
    name: 'rewrite that keeps one file',
    args: ['rewrite', '--include', '/sub/note', '--forget', 'latest'],
    code: 0,
    since: 19,
  },
  {
    name: 'ls after it',
    args: ['ls', '-q', 'latest'],
    code: 0,
    since: 19,
    holds: ({ out }) => assert.equal(out, '/sub\n/sub/note\n'),
  },
  {
    name: 'a backup without one of its sources',
    args: ['backup', '--json', 'file', 'nosuch'],
    code: 3,
    since: 19,
    holds: ({ err, out }) => {
      assert.deepEqual(last(err), {
        message_type: 'exit_error',
        code: 3,
        message: 'Warning: at least one source file could not be read',
      });
      has(last(out), 'snapshot_id');
    },
  },
];

const place = new Playground();
const source = place.files('source', { file: 'of six', 'sub/deep': '', 'sub/note': 'a longer note' });

function check(run: Run, point: Point, version: number): void {
  const skip = (point.since ?? 0) > version && `only since restic 0.${point.since}`;
  test(point.name, { skip }, async () => {
    const ran = await run(point.args);
    assert.equal(ran.code, point.code, `${ran.out}${ran.err}`);
    point.holds?.(ran);
  });
}

describe('varve answers as restic does to', () => {
  before(async () => {
    await place.ok(['init']);
    await place.ok(['backup', '.'], { cwd: source });
  });
  for (const point of POINTS) check((args) => place.run(args, { cwd: source }), point, Number.POSITIVE_INFINITY);
});

for (const { program, version } of PEERS)
  describe(`restic ${version.join('.')} answers so to`, () => {
    let repository: ResticRepository;
    before(() => {
      repository = new ResticRepository(program);
      repository.run(['backup', '.'], source);
    });
    after(() => repository.remove());
    for (const point of POINTS) check((args) => repository.run(args, source), point, version[1]);
  });

test('what is since restic 0.19', { skip: missingRestic(19) }, () => undefined);
