/** The types of foreign-tools.mjs, for the tests that use it. */

export interface ForeignTool {
  readonly name: string
  /** The command that succeeds when the tool is there. */
  readonly check: readonly string[]
  /** What it is good for. */
  readonly why: string
}

/** The Python interpreter that can import aiokafka, once it is installed. */
export declare const aiokafkaPython: string
/** Every tool that tests use. */
export declare const foreignTools: readonly ForeignTool[]
/** The tools that are not there. */
export declare function missingForeignTools(): ForeignTool[]
