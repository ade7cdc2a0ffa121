/** What rclone 1.60 does not do where the remote is a directory, and why. */
export const NOT_OF_RCLONE = {
  'of many that create config at once, one succeeds': 'rclone overwrites',
  'no reader ever sees a part of an object': 'rclone writes under the final name',
  'who reads while an object is replaced gets the old bytes or the new': 'rclone writes under the final name',
};
