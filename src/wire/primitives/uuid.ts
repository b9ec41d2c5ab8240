/** Kafka's uuids as strings: 16 bytes in base64url, 22 characters, which is how Kafka's own tools print them. */

/** The uuid that means "none": sixteen zero bytes. */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'

/** The length of every uuid string. */
export const uuidLength = 22
