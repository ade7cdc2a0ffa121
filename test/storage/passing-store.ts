import { PassingStore as Passing } from '../../src/storage/guards/passing.js';

/** Passes everything on but the files' paths: what a test does to reading then happens to all reading. */
export class PassingStore extends Passing {
  override readonly filePath = undefined;
}
