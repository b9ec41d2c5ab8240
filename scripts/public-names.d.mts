/** The types of public-names.mjs, for the test that uses it. */

export declare const publicNamesFile: string
/** Each entry point's exported names, values and types, sorted; null when it was not built. */
export declare function publicNames(): Record<string, string[] | null>
