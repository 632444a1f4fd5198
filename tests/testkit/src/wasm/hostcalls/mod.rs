//! The hostcalls of ABI 0.2.1, by subject. Names and signatures are those of proxy-wasm 0.2.5 (`hostcalls.rs`).

mod bodies;
mod calls;
mod clock;
mod header_maps;
mod metrics;
mod properties;
mod streams;

use wasmtime::{Caller, ExternType, Linker, Val, ValType};

use super::abi::Status;
use super::guest::{Answer, Fault, Guest};
use super::host::Host;

/// Links one hostcall: runs it, keeps a record of failures and turns the result into a status number.
macro_rules! link {
    ($linker:expr, $name:literal, $function:path, $($argument:ident: $type:ty),*) => {
        $linker.func_wrap("env", $name, |caller: Caller<'_, Host>, $($argument: $type),*| {
            let mut guest = Guest::new(caller);
            let answer = $function(&mut guest, $($argument),*);
            status(&mut guest, $name, answer)
        })
    };
}

fn status(guest: &mut Guest<'_>, name: &'static str, answer: Answer) -> Result<u32, wasmtime::Error> {
    let status = match answer {
        Ok(()) => Status::Ok,
        Err(Fault::Status(status)) => status,
        Err(Fault::Trap(error)) => return Err(error),
    };
    if !matches!(status, Status::Ok | Status::NotFound) {
        guest.host().failed_calls.push((name, status));
    }
    Ok(status as u32)
}

/// A linker with every hostcall the host implements.
pub(super) fn linker(engine: &wasmtime::Engine) -> Result<Linker<Host>, wasmtime::Error> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    link!(l, "proxy_log", clock::log, level: u32, message: u32, size: u32)?;
    link!(l, "proxy_get_log_level", clock::log_level, level_to: u32)?;
    link!(l, "proxy_get_current_time_nanoseconds", clock::now, time_to: u32)?;
    link!(l, "proxy_set_tick_period_milliseconds", clock::set_tick_period, period: u32)?;

    link!(l, "proxy_get_buffer_bytes", bodies::get, kind: u32, start: u32, length: u32, data_to: u32, size_to: u32)?;
    link!(l, "proxy_set_buffer_bytes", bodies::set, kind: u32, start: u32, length: u32, data: u32, size: u32)?;

    link!(l, "proxy_get_header_map_pairs", header_maps::all, map: u32, data_to: u32, size_to: u32)?;
    link!(l, "proxy_set_header_map_pairs", header_maps::set_all, map: u32, data: u32, size: u32)?;
    link!(l, "proxy_get_header_map_value", header_maps::get, map: u32, key: u32, key_size: u32, data_to: u32, size_to: u32)?;
    link!(l, "proxy_replace_header_map_value", header_maps::replace, map: u32, key: u32, key_size: u32, value: u32, value_size: u32)?;
    link!(l, "proxy_add_header_map_value", header_maps::add, map: u32, key: u32, key_size: u32, value: u32, value_size: u32)?;
    link!(l, "proxy_remove_header_map_value", header_maps::remove, map: u32, key: u32, key_size: u32)?;

    link!(l, "proxy_get_property", properties::get, path: u32, path_size: u32, data_to: u32, size_to: u32)?;
    link!(l, "proxy_set_property", properties::set, path: u32, path_size: u32, value: u32, value_size: u32)?;
    link!(l, "proxy_get_shared_data", properties::get_shared, key: u32, key_size: u32, data_to: u32, size_to: u32, cas_to: u32)?;
    link!(l, "proxy_set_shared_data", properties::set_shared, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32)?;

    link!(l, "proxy_send_local_response", streams::local_response, status: u32, details: u32, details_size: u32, body: u32, body_size: u32, headers: u32, headers_size: u32, grpc_status: i32)?;
    link!(l, "proxy_continue_stream", streams::continue_stream, stream: u32)?;
    link!(l, "proxy_close_stream", streams::close_stream, stream: u32)?;
    link!(l, "proxy_set_effective_context", streams::set_effective_context, context: u32)?;
    link!(l, "proxy_done", streams::done,)?;

    link!(l, "proxy_http_call", calls::http_call, cluster: u32, cluster_size: u32, headers: u32, headers_size: u32, body: u32, body_size: u32, trailers: u32, trailers_size: u32, timeout: u32, token_to: u32)?;
    link!(l, "proxy_get_status", calls::get_status, code_to: u32, data_to: u32, size_to: u32)?;
    link!(l, "proxy_call_foreign_function", calls::foreign_function, name: u32, name_size: u32, arguments: u32, arguments_size: u32, data_to: u32, size_to: u32)?;

    link!(l, "proxy_define_metric", metrics::define, kind: u32, name: u32, name_size: u32, id_to: u32)?;
    link!(l, "proxy_increment_metric", metrics::increment, id: u32, offset: i64)?;
    link!(l, "proxy_record_metric", metrics::record, id: u32, value: u64)?;
    link!(l, "proxy_get_metric", metrics::get, id: u32, value_to: u32)?;
    Ok(linker)
}

/// Links every function import of `module` that is still missing to a stub that records its name and answers
/// `Unimplemented`, so that a module that imports more than it uses still runs.
pub(super) fn link_unknown(
    linker: &mut Linker<Host>,
    store: &mut wasmtime::Store<Host>,
    module: &wasmtime::Module,
) -> Result<(), wasmtime::Error> {
    for import in module.imports() {
        let ExternType::Func(signature) = import.ty() else { continue };
        if linker.get(&mut *store, import.module(), import.name()).is_ok() {
            continue;
        }
        let full_name = format!("{}.{}", import.module(), import.name());
        linker.func_new(
            import.module(),
            import.name(),
            signature.clone(),
            move |mut caller, _, results| {
                let host: &mut Host = caller.data_mut();
                host.unimplemented.insert(full_name.clone());
                if let Some(stream) = host.stream() {
                    stream.note(format!("called {full_name}, which the testkit does not implement"));
                }
                for (result, kind) in results.iter_mut().zip(signature.results()) {
                    *result = match kind {
                        ValType::I64 => Val::I64(0),
                        ValType::F32 => Val::F32(0),
                        ValType::F64 => Val::F64(0),
                        _ => Val::I32(Status::Unimplemented as i32),
                    };
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}
