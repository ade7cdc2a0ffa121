/** How every repair and recovery reports that it was interrupted. */
export const INTERRUPTED = 'interrupted; the repository is no worse than before, and running this again continues';
