//! Programs are run, watched and ended; `sh` plays the program.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{Program, ProgramCommand, ProgramError};
use tokio::signal::unix::{SignalKind, signal};

fn shell(script: &str) -> ProgramCommand {
    ProgramCommand::new("/bin/sh").args(["-c", script])
}

async fn spawned(script: &str) -> Program {
    let program = shell(script).spawn().unwrap();
    program.wait_for_line(|line| line == "ready", PATIENCE).await.unwrap();
    program
}

#[tokio::test]
async fn one_shot_returns_status_and_both_streams() {
    let finished = shell("echo out; echo err >&2; echo $NAME; pwd; exit 65")
        .env("NAME", "value")
        .current_dir("/")
        .run_to_end(PATIENCE)
        .await
        .unwrap();
    assert_eq!(finished.status.code(), Some(65));
    assert_eq!(finished.stdout, "out\nvalue\n/\n");
    assert_eq!(finished.stderr, "err\n");
}

#[tokio::test]
async fn one_shot_is_killed_at_its_deadline() {
    let error = shell("exec sleep 600").run_to_end(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, ProgramError::StillRunning { .. }), "{error}");
}

#[tokio::test]
async fn lines_of_both_streams_are_kept() {
    let mut program = shell("echo one; echo two >&2; printf three").spawn().unwrap();
    program.wait_for_line(|line| line == "three", PATIENCE).await.unwrap();
    program.wait_for_line(|line| line == "two", PATIENCE).await.unwrap();
    assert!(program.wait(PATIENCE).await.unwrap().success());
    let mut lines = program.lines();
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
}

#[tokio::test]
async fn missing_line_is_an_error_as_soon_as_the_output_ends() {
    let program = shell("echo something else").spawn().unwrap();
    let error = program.wait_for_line(|line| line == "ready", PATIENCE * 100).await.unwrap_err();
    assert!(error.to_string().ends_with("its last lines:\nsomething else"), "{error}");
}

#[tokio::test]
async fn terminated_program_may_finish_what_it_holds() {
    let mut program = spawned("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done").await;
    assert_eq!(program.terminate(PATIENCE).await.unwrap().code(), Some(3));
    program.wait_for_line(|line| line == "bye", PATIENCE).await.unwrap();
}

#[tokio::test]
async fn program_that_ignores_sigterm_is_reported_and_can_be_killed() {
    let mut program = spawned("trap '' TERM; echo ready; while :; do sleep 0.01; done").await;
    let error = program.terminate(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, ProgramError::StillRunning { .. }), "{error}");
    assert_eq!(program.kill().unwrap().signal(), Some(9));
    assert_eq!(program.ended().unwrap().and_then(|status| status.signal()), Some(9));
}

#[tokio::test]
async fn interrupt_is_ctrl_c() {
    // A shell can't catch SIGINT where the tests run in the background of another shell, which has it ignored; a
    // program with a handler of its own can. So this test is that program too.
    if std::env::var_os("WAIT_FOR_CTRL_C").is_some() {
        let mut interrupt = signal(SignalKind::interrupt()).unwrap();
        std::io::stdout().write_all(b"\nready\n").unwrap();
        interrupt.recv().await;
        std::process::exit(130);
    }
    let mut program = ProgramCommand::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "interrupt_is_ctrl_c"])
        .env("WAIT_FOR_CTRL_C", "yes")
        .spawn()
        .unwrap();
    program.wait_for_line(|line| line == "ready", PATIENCE).await.unwrap();
    assert_eq!(program.interrupt(PATIENCE).await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn paused_program_prints_nothing_until_resumed() {
    let mut program = spawned("echo ready; while :; do echo tick; sleep 0.01; done").await;
    program.pause().unwrap();
    // What was in the pipe is read until nothing more comes.
    let mut before = 0;
    eventually(PATIENCE, async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = program.lines().len();
        let same = now == std::mem::replace(&mut before, now);
        if same { Ok(()) } else { Err(format!("{now} lines")) }
    })
    .await
    .unwrap();
    program.resume().unwrap();
    eventually(PATIENCE, async || if program.lines().len() > before { Ok(()) } else { Err("no new line") })
        .await
        .unwrap();
}

#[tokio::test]
async fn only_the_newest_lines_are_kept() {
    let script = "i=0; while [ $i -lt 10005 ]; do i=$((i+1)); echo $i; done; echo done";
    let program = shell(script).spawn().unwrap();
    program.wait_for_line(|line| line == "done", PATIENCE).await.unwrap();
    let lines = program.lines();
    assert_eq!(lines.len(), candlewire_testkit::program::LINES_KEPT);
    assert_eq!(lines[0], "7");
}

#[tokio::test]
async fn settings_of_the_caller_are_not_inherited() {
    // The environment of this process can't be changed safely, so a child with such settings runs this test again.
    if std::env::var_os("CANDLEWIRE__REDIS__URL").is_none() {
        let this = std::env::current_exe().unwrap();
        let finished = ProgramCommand::new(this)
            .args(["--exact", "settings_of_the_caller_are_not_inherited"])
            .env("CANDLEWIRE__REDIS__URL", "redis://example")
            .env("CANDLEWIRE_CONFIG", "x")
            .env("REDIS_HOST", "x")
            .env("CACHE_ENABLED", "false")
            .env("RUST_LOG", "trace")
            .run_to_end(PATIENCE)
            .await
            .unwrap();
        assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
        return;
    }
    let environment = shell("env").run_to_end(PATIENCE).await.unwrap().stdout;
    let leaked = environment
        .lines()
        .find(|line| ["CANDLEWIRE", "REDIS", "CACHE", "RUST_LOG"].iter().any(|prefix| line.starts_with(prefix)));
    assert_eq!(leaked, None);
    assert!(environment.contains("PATH="));
}

#[tokio::test]
async fn missing_program_says_how_to_build_it() {
    let error = ProgramCommand::new("/nowhere/ingestor").spawn().unwrap_err().to_string();
    assert!(error.starts_with("run /nowhere/ingestor: ") && error.contains("cargo build"), "{error}");
    assert!(ProgramCommand::built("no-such-program").is_err());
}

#[tokio::test]
async fn program_built_beside_this_one_is_found() {
    let this = std::env::current_exe().unwrap();
    let name = this.file_name().unwrap().to_str().unwrap();
    let finished = ProgramCommand::built(name).unwrap().arg("--list").run_to_end(PATIENCE).await.unwrap();
    assert!(finished.stdout.contains("program_built_beside_this_one_is_found"));
}
