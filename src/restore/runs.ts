// Groups blobs that lie next to each other, to fetch them in one range.
// window.ts fetches.
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { BlobUse } from './messages.js';

/** Blobs that follow each other in a frame and in a file: one write. */
export interface Run {
  /** Number of the file within the task. */
  readonly file: number;
  readonly uses: BlobUse[];
  /** Within the frame's plaintext. */
  readonly start: number;
  end: number;
  /** Offset in the file's data (without holes). */
  readonly stream: number;
}

/** Joins uses that follow each other in the frame and in one file. */
export function runsOf(uses: readonly BlobUse[], index: BlobIndex): Run[] {
  const runs: Run[] = [];
  for (const use of uses) {
    const { offset, length } = index.locate(use.blob);
    const run = runs.at(-1);
    const follows = run?.file === use.file && run.end === offset && run.stream + (run.end - run.start) === use.stream;
    if (run !== undefined && follows) {
      run.end += length;
      run.uses.push(use);
    } else runs.push({ file: use.file, uses: [use], start: offset, end: offset + length, stream: use.stream });
  }
  return runs;
}
