/** What servers of the REST protocol cannot do, and why. */
export const NO_OVERWRITING = {
  'who reads while an object is replaced gets the old bytes or the new': 'REST cannot overwrite',
};

/** Of rclone 1.60, where the remote is a folder. */
export const NOT_OF_RCLONE = {
  ...NO_OVERWRITING,
  'of many that create config at once, one succeeds': 'rclone overwrites',
  'no reader ever sees a part of an object': 'rclone writes under the final name',
};
