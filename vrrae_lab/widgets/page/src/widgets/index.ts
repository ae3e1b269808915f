// Every widget by the name that Python gives it.
import type { FunctionComponent } from "preact";
import type { Host } from "../host";
import { BatchTruncation } from "./batch_truncation";
import { KL } from "./kl";
import { TruncatedSVD } from "./truncated_svd";

export const WIDGETS: Record<string, FunctionComponent<{ host: Host }>> = {
  batch_truncation: BatchTruncation,
  kl: KL,
  truncated_svd: TruncatedSVD,
};
