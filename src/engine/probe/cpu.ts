/** Whether /proc/cpuinfo (x86) lists hardware virtualization: Intel's VT-x or AMD's SVM. */
export function hasVirtualizationFlag(cpuinfo: string): boolean {
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo);
}
