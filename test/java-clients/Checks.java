/** Counts what a client finds right, and says what it finds wrong. */
final class Checks {
  interface Check {
    /** Whether it is right. */
    boolean run() throws Exception;
  }

  private int passed;
  private int failed;

  void check(String what, Check check) {
    String problem;
    try {
      problem = check.run() ? null : "not as expected";
    } catch (Exception thrown) {
      problem = thrown + (thrown.getCause() == null ? "" : ", by " + thrown.getCause());
    }
    if (problem == null) passed++;
    else failed++;
    System.out.println((problem == null ? "ok      " : "failed  ") + what + (problem == null ? "" : ": " + problem));
  }

  /** Ends the program; a failure shows in its status. */
  void end() {
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }
}
