//! `bank kit`: what a bank is given when it joins (接入资料), made from its profile and the profile's own samples.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::format::samples::{below, kind_of};
use super::format::{file_name, find, folder_of, open, role_of};
use super::out::{Exit, Failure, Out};
use crate::domain::language::Language;
use crate::domain::time::Timestamp;
use crate::format::Profile;
use crate::format::kit::{Examples, Kit};
use crate::format::workbook::plain_workbook;

/// The layout sheet's name.
const SHEET: &str = "接口说明.xlsx";
/// The letter that explains the rest.
const LETTER: &str = "接入说明.md";
/// Lines of a sample that are looked at for examples.
const LINES: usize = 40;

/// For which bank, and where.
#[derive(Debug, Args)]
pub struct KitArgs {
    /// A profile's id under --formats, or its folder
    #[arg(long)]
    profile: String,
    /// The folder to make; it must not be there yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder of profiles
    #[arg(long, default_value = "bank-formats", value_name = "DIR")]
    formats: PathBuf,
}

/// Writes the pack, whole or not at all.
pub fn kit(out: &Out, args: &KitArgs) -> Result<Exit, Failure> {
    let profile = find(&args.formats, &args.profile)?;
    let folder = folder_of(&args.formats, &args.profile);
    if args.out.exists() {
        return Err(Failure::misused(format!("{} is there already; name a folder that is not", args.out.display())));
    }
    let failed = |path: &Path, e: &dyn std::fmt::Display| Failure::failed(format!("{}: {e}", path.display()));
    let file = folder.join("profile.toml");
    let text = std::fs::read_to_string(&file).map_err(|e| failed(&file, &e))?;
    let kit = Kit::read(&text, &file).map_err(|e| Failure::failed(e.to_string()))?;
    let samples = samples(&folder);
    if samples.is_empty() {
        return Err(Failure::failed(format!(
            "{}: there are no samples, and a bank needs to see files; put them under samples/ and run bankgate format try",
            folder.display()
        )));
    }
    let parent = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| failed(parent, &e))?;
    let place = tempfile::Builder::new().prefix(".kit-").tempdir_in(parent).map_err(|e| failed(parent, &e))?;
    let sheets = kit.sheets(&examples(&profile, &kit, &samples)?);
    // The pack is a function of the profile: it carries no day of its own.
    let workbook = plain_workbook(Timestamp::from_millis(0), &sheets, Language::Zh).map_err(|e| Failure::failed(e.to_string()))?;
    let mut files = vec![(PathBuf::from(SHEET), workbook), (PathBuf::from(LETTER), letter(&profile, &kit, &samples).into_bytes())];
    for (_, paths) in &samples {
        for path in paths {
            let inside = path.strip_prefix(folder.join("samples")).unwrap_or(path);
            files.push((Path::new("样例").join(inside), std::fs::read(path).map_err(|e| failed(path, &e))?));
        }
    }
    for (name, bytes) in &files {
        let path = place.path().join(name);
        let dir = path.parent().unwrap_or(place.path());
        std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, bytes)).map_err(|e| failed(&path, &e))?;
    }
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path(), open_to_all).map_err(|e| failed(place.path(), &e))?;
    std::fs::rename(place.path(), &args.out).map_err(|e| failed(&args.out, &e))?;
    let names: Vec<PathBuf> = files.into_iter().map(|(name, _)| args.out.join(name)).collect();
    if out.is_for_programs() {
        out.value(&json!({ "profile": profile.id(), "files": names }));
    } else {
        names.iter().for_each(|name| out.line(name.display().to_string()));
    }
    Ok(Exit::Done)
}

/// The profile's samples, folder by folder.
fn samples(folder: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let sets = std::fs::read_dir(folder.join("samples")).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path()));
    let mut sets: Vec<PathBuf> = sets.filter(|p| p.is_dir()).collect();
    sets.sort();
    sets.into_iter().map(|set| (file_name(&set), below(&set))).collect()
}

/// What stands in the samples, field by field: the first text that is not empty.
fn examples(profile: &Profile, kit: &Kit, samples: &[(String, Vec<PathBuf>)]) -> Result<Examples, Failure> {
    let mut found = Examples::new();
    for (name, paths) in samples.iter().filter(|(name, _)| !name.ends_with("-quarantine")) {
        let Some(kind) = kind_of(name) else { continue };
        for path in paths {
            let role = kind.inbound().and_then(|kind| role_of(profile, kind, path).map(|role| (kind, role)));
            let layout = match (kind.inbound(), &role) {
                (None, _) => Some(kit.request_layout()),
                (Some(_), Some((kind, role))) => kit.layout_of(*kind, role),
                (Some(_), None) => None,
            };
            let Some(layout) = layout else { continue };
            let of = role.as_ref().map(|(kind, role)| (*kind, role.as_str()));
            // A companion of the payment file is not written in its layout, and gives no example of it.
            let Ok(lines) = profile.explain(of, &mut open(path)?, LINES) else { continue };
            for cell in lines.iter().filter(|line| line.fault.is_none()).flat_map(|line| &line.cells) {
                let text = cell.text.trim();
                if !text.is_empty() {
                    found.entry((layout.to_owned(), cell.field.clone())).or_insert_with(|| text.to_owned());
                }
            }
        }
    }
    Ok(found)
}

fn letter(profile: &Profile, kit: &Kit, samples: &[(String, Vec<PathBuf>)]) -> String {
    let mut text = format!(
        "# {} 接入资料\n\n接口 {} 第{}版。本资料由系统按接口定义生成；字段的位置、长度、格式、含义和示例见《{SHEET}》。\n\n\
         ## 目录\n\n| 目录 | 谁写 | 谁读 | 用途 |\n|---|---|---|---|\n| inbox/ | 我方 | 贵行 | 付款文件、标志文件、查询文件 |\n\
         | outbox/ | 贵行 | 我方 | 受理回执、回盘、退票、对账单、查询应答 |\n| done/ | 我方 | — | 我方读过的贵行文件移到这里 |\n\n\
         目录名可在双方协议中另定。请先写入临时名字，写完再改名；同一名字不要用于内容不同的文件。\n\n## 文件\n\n| 方向 | 文件 | 目录与文件名 | 说明 |\n|---|---|---|---|\n",
        profile.title_zh(),
        profile.id(),
        profile.version()
    );
    for row in kit.files() {
        if let [way, kind, path, _, note] = row.as_slice() {
            _ = writeln!(text, "| {way} | {kind} | `{path}` | {} |", note.replace('|', "\\|"));
        }
    }
    text.push_str("\n## 约定与时间\n\n| 项目 | 约定 |\n|---|---|\n");
    for row in kit.exchange() {
        if let [item, rule] = row.as_slice() {
            _ = writeln!(text, "| {item} | {rule} |");
        }
    }
    text.push_str(
        "\n## 请贵行做到\n\n1. 原样带回引用号和序号；户名、账号、金额不作改动。\n2. 只有确定没有入账的才返回失败；处理中、超时、疑似重复都不是失败。\n\
         3. 同一文件只执行一次；收到同名文件时先与我方核对。\n4. 退票单独返回，注明原引用号；入账后的更正也是退票。\n\n\
         ## 联调步骤\n\n1. 开通 SFTP 账户，双方交换主机公钥和客户端公钥，建立上述目录。\n2. 贵行用“样例”中的付款文件试读，我方用贵行的回盘样例试读，逐字节核对。\n\
         3. 影子运行：我方照常生成文件但不发出，双方核对笔数、金额。\n4. 首个真实文件选小批次，双方值守，回盘与对账单都核对无误后转入正常。\n\n## 样例\n\n全部人员、账号均为虚构。\n\n| 文件夹 | 内容 |\n|---|---|\n",
    );
    for (name, paths) in samples {
        let names: Vec<String> = paths.iter().map(|path| file_name(path)).collect();
        _ = writeln!(text, "| 样例/{name} | {}：{} |", sample_words(name), names.join("、"));
    }
    text
}

fn sample_words(name: &str) -> String {
    let (kind, case) = match name {
        n if n.starts_with("enquiry-answer") => ("查询应答", n.trim_start_matches("enquiry-answer")),
        n => n.split_once('-').map_or((n, ""), |(kind, case)| (kind, case)),
    };
    let kind = match kind {
        "request" => "付款文件",
        "ack" => "受理回执",
        "result" => "回盘",
        "return" => "退票",
        "statement" => "对账单",
        "enquiry" => "查询文件",
        other => other,
    };
    match case.trim_start_matches('-') {
        "" => kind.to_owned(),
        case if case.ends_with("quarantine") => format!("{kind}（反例，我方会拒收：{}）", case.trim_end_matches("-quarantine")),
        case => format!("{kind}（{case}）"),
    }
}
